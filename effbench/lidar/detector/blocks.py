"""Convolution, norm and ReLU as one block: over voxels, and over BEV maps or their occupied cells.

In evaluation the norm is folded into the weight, for dense and sparse alike, so that neither is timed with passes that an
exported network would not have.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from effbench.kernels.sparse_conv import After, SparseTensor, strided_conv, submanifold_conv
from effbench.lidar.detector.folding import KeptTensors
from effbench.lidar.detector.spbn import EPS, MOMENTUM, SparsityPreservingNorm

Features = torch.Tensor | SparseTensor
"""A BEV map [B, C, H, W] or its occupied cells [N, C]."""


class VoxelBlock(nn.Module):
    """Sparse convolution without bias, batch norm over the rows, ReLU; 3D or 2D by the length of ``kernel``.

    ``stride`` None is submanifold (the sites stay), else every site that an input hits.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...] | None = None,
        padding: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.weight = nn.Parameter(torch.randn(*kernel, inputs, outputs) * math.sqrt(2 / (math.prod(kernel) * inputs)))
        self.norm = nn.BatchNorm1d(outputs, EPS, MOMENTUM)
        self.kept = KeptTensors()

    def forward(self, x: SparseTensor) -> SparseTensor:
        """Return the block's output."""
        if self.training:
            y = self._convolved(x, self.weight, After())
            return y.with_features(torch.relu(_normed(self.norm, y.features)))
        weight, shift = self.kept.made((self.weight, *parts(self.norm)), self._folded)
        return self._convolved(x, weight, After(shift, relu=True))

    def _folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        scale, shift = folded(self.norm)
        return self.weight * scale, shift

    def _convolved(self, x: SparseTensor, weight: torch.Tensor, after: After) -> SparseTensor:
        if self.stride is None:
            return submanifold_conv(x, weight, after=after)
        return strided_conv(x, weight, self.stride, self.padding, after=after)


class MapBlock(nn.Module):
    """3x3 convolution without bias, SP-BN or batch norm, ReLU, over a BEV map or over its occupied cells.

    Over cells it computes what it computes over the map, at every cell that an occupied one reaches: with SP-BN all others
    are zero there too. Batch norm makes them positive, so such a block takes maps alone.
    """

    def __init__(self, inputs: int, outputs: int, norm: Literal["sp-bn", "batch"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) * math.sqrt(2 / (9 * inputs)))
        self.norm: nn.Module = (
            SparsityPreservingNorm(outputs) if norm == "sp-bn" else nn.BatchNorm2d(outputs, EPS, MOMENTUM)
        )
        self.products: torch.dtype | None = None
        self.over_map, self.over_cells = KeptTensors(), KeptTensors()

    @property
    def keeps_zeros(self) -> bool:
        """Return whether zero stays zero, so that it can run over cells."""
        return isinstance(self.norm, SparsityPreservingNorm)

    def forward(self, x: Features) -> Features:
        """Return the block's output, of the kind that came in (a map where the norm needs one)."""
        if isinstance(x, SparseTensor):
            if self.keeps_zeros:
                return self._over_cells(x)
            x = x.dense()
        if self.training:
            y = map_convolved(x, self.weight, self.products)
            normed: torch.Tensor = self.norm(y, relu=True) if self.keeps_zeros else torch.relu(self.norm(y))
            return normed
        weight, *shift = self.over_map.made((self.weight, *parts(self.norm)), self._folded)
        return map_convolved(x, weight, self.products, *shift).relu_()

    def _folded(self) -> tuple[torch.Tensor, ...]:
        if isinstance(self.norm, SparsityPreservingNorm):
            return (self.weight * self.norm.scale()[:, None, None, None],)
        scale, shift = folded(self.norm)  # type: ignore[arg-type]
        return self.weight * scale[:, None, None, None], shift

    def _over_cells(self, x: SparseTensor) -> SparseTensor:
        if self.training:
            y = strided_conv(x, taps_first(self.weight), 1, 1)
            return y.with_features(self.norm(y.features, relu=True))
        (weight,) = self.over_cells.made((self.weight, *parts(self.norm)), lambda: (taps_first(self._folded()[0]),))
        return strided_conv(x, weight, 1, 1, after=After(relu=True))


def map_convolved(
    x: torch.Tensor, weight: torch.Tensor, products: torch.dtype | None, shift: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the 3x3 convolution [B, Cout, H, W] of a map; ``products``: the type of its products, the map's if None.

    In bf16 a training step on AMX takes a third less; what is summed over many cells, the norms, stays in fp32.
    """
    if products is None:
        return nn.functional.conv2d(x, weight, shift, padding=1)
    last = torch.channels_last
    y = nn.functional.conv2d(x.to(products, memory_format=last), weight.to(products, memory_format=last), padding=1)
    y = y.to(x.dtype)
    return y if shift is None else y.add_(shift[:, None, None])


def taps_first(weight: torch.Tensor) -> torch.Tensor:
    """Return a dense weight [Cout, Cin, kh, kw] as the sparse kernels want it: [kh, kw, Cin, Cout]."""
    return weight.permute(2, 3, 1, 0).contiguous()


def folded(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (scale [C], shift [C]) of a batch norm in evaluation."""
    assert norm.running_var is not None and norm.running_mean is not None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def parts(norm: nn.Module) -> tuple[torch.Tensor, ...]:
    """Return the tensors that a norm in evaluation is made of."""
    return *norm.parameters(), *(buffer for buffer in norm.buffers() if buffer.is_floating_point())


def _normed(norm: nn.BatchNorm1d, rows: torch.Tensor) -> torch.Tensor:
    """Return normalised rows [N, C]; one row or none has no statistics of its own, and takes the running ones."""
    if len(rows) > 1:
        normed: torch.Tensor = norm(rows)
        return normed
    scale, shift = folded(norm)
    return rows * scale + shift
