"""Sparse convolutions as modules with a weight [*kernel, Cin / groups, Cout] and no bias: zero stays zero."""

from __future__ import annotations

import math

import torch
from torch import nn

from effbench.kernels.sparse_conv.functions import Numbers, SparseChoice, inverse_conv, strided_conv, submanifold_conv
from effbench.kernels.sparse_conv.geometry import per_axis
from effbench.kernels.sparse_conv.sites import Sites
from effbench.kernels.sparse_conv.tensor import SparseTensor


class _SparseConvolution(nn.Module):
    """Holds the weight, drawn as torch's convolutions draw theirs: uniform, bounded by 1 / sqrt(Cin / groups * taps)."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers, *, axes: int, dilation: Numbers, groups: int,
        impl: SparseChoice,
    ) -> None:  # fmt: skip
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(f"sparse_conv: {in_channels} and {out_channels} channels do not part into {groups} groups")
        self.kernel = per_axis("kernel", kernel_size, axes, 1)
        self.dilation = per_axis("dilation", dilation, axes, 1)
        self.groups, self.impl = groups, impl
        self.weight = nn.Parameter(torch.empty(*self.kernel, in_channels // groups, out_channels))
        bound = 1 / math.sqrt(in_channels // groups * math.prod(self.kernel))
        nn.init.uniform_(self.weight, -bound, bound)

    def extra_repr(self) -> str:
        return f"weight {list(self.weight.shape)}, dilation {self.dilation}, groups {self.groups}"


class SubmanifoldConv(_SparseConvolution):
    """``submanifold_conv`` with a weight: outputs are the inputs' sites."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers = 3, *, axes: int = 3, dilation: Numbers = 1,
        groups: int = 1, impl: SparseChoice = "auto",
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, axes=axes, dilation=dilation, groups=groups, impl=impl)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Return the convolution of x at its own sites."""
        return submanifold_conv(x, self.weight, self.dilation, self.groups, self.impl)


class StridedConv(_SparseConvolution):
    """``strided_conv`` with a weight: outputs are all cells that an input hits."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers = 3, stride: Numbers = 2, padding: Numbers = 1, *,
        axes: int = 3, dilation: Numbers = 1, groups: int = 1, impl: SparseChoice = "auto",
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, axes=axes, dilation=dilation, groups=groups, impl=impl)
        self.stride, self.padding = per_axis("stride", stride, axes, 1), per_axis("padding", padding, axes, 0)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Return the convolution of x at every cell that it hits."""
        return strided_conv(x, self.weight, self.stride, self.padding, self.dilation, self.groups, self.impl)


class InverseConv(_SparseConvolution):
    """``inverse_conv`` with a weight: back onto the sites that a strided convolution of the same window started from."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Numbers = 3, stride: Numbers = 2, padding: Numbers = 1, *,
        axes: int = 3, dilation: Numbers = 1, groups: int = 1, impl: SparseChoice = "auto",
    ) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, axes=axes, dilation=dilation, groups=groups, impl=impl)
        self.stride, self.padding = per_axis("stride", stride, axes, 1), per_axis("padding", padding, axes, 0)

    def forward(self, x: SparseTensor, onto: Sites) -> SparseTensor:
        """Return the transposed convolution of x at the sites ``onto``."""
        return inverse_conv(x, self.weight, onto, self.stride, self.padding, self.dilation, self.groups, self.impl)
