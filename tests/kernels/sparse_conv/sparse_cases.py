"""Small sparse tensors and windows, drawn."""

from typing import NamedTuple

import torch
from hypothesis import strategies as st

from effbench.kernels.sparse_conv import SparseTensor


class Case(NamedTuple):
    """A sparse tensor in float64, and a window that fits its grid."""

    x: SparseTensor
    kernel: tuple
    stride: tuple
    padding: tuple
    dilation: tuple
    groups: int
    seed: int

    def weight(self, inputs, outputs, dtype=torch.float64):
        """Return a weight [*kernel, inputs / groups, outputs]."""
        made = torch.Generator().manual_seed(self.seed)
        return torch.randn(*self.kernel, inputs // self.groups, outputs, dtype=torch.float64, generator=made).to(dtype)

    @property
    def where(self):
        """Return stride, padding and dilation as the functions take them."""
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}


def random_sparse(shape, batch=2, channels=4, density=0.3, seed=0, dtype=torch.float64):
    """Return a sparse tensor of random cells and features; a first and a last cell are among them, where there are any."""
    made = torch.Generator().manual_seed(seed)
    active = torch.rand(batch, *shape, generator=made) < density
    dense = torch.randn(batch, channels, *shape, generator=made, dtype=torch.float64).to(dtype)
    return SparseTensor.from_dense(dense * active[:, None], active)


@st.composite
def cases(draw, kernels=(1, 2, 3), dilations=(1, 2, 3), groups=(1, 2, 4)):
    """Draw a case of 2 or 3 axes, empty and full grids among them."""
    axes = draw(st.sampled_from((2, 3)))

    def each(values):
        return tuple(draw(st.sampled_from(values)) for _ in range(axes))

    kernel, dilation = each(kernels), each(dilations)
    stride, padding = each((1, 2, 3)), each((0, 1, 2))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    shape = [max(draw(st.integers(1, 6)), n) for n in least]
    density, seed = draw(st.sampled_from((0, 0.05, 0.3, 0.7, 1))), draw(st.integers(0, 10**6))
    x = random_sparse(shape, batch=draw(st.integers(1, 3)), density=density, seed=seed)
    return Case(x, kernel, stride, padding, dilation, draw(st.sampled_from(groups)), seed)
