"""The centre head: a heat map per class and a box at every cell, over a BEV map or over its occupied cells."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from effbench.kernels.sparse_conv import After, SparseTensor, strided_conv, submanifold_conv
from effbench.lidar.detector.blocks import Features, folded, map_convolved, parts, taps_first
from effbench.lidar.detector.folding import KeptTensors
from effbench.lidar.detector.spbn import EPS, MOMENTUM

BOX = 9
"""Offset of the centre from the cell's along x and y in cells, height of the centre above -1 m in m, logarithms of dx, dy, dz
in m, sine and cosine of twice the heading, and the logit of which way round it is.

Twice the heading, because a car seen from behind is nearly a car turned by half a circle: the mean of the two is no heading,
but of twice the heading both have the same."""
PRIOR_LOGIT = -4.0
"""Bias of the heat map at the start: nearly all cells hold nothing (focal loss, arXiv 1708.02002, section 3.3)."""


class HeadMaps(NamedTuple):
    """``heat`` [B, classes, H, W] logits, ``boxes`` [B, BOX, H, W], ``seen`` bool [B, H, W]: the cells that were asked."""

    heat: torch.Tensor
    boxes: torch.Tensor
    seen: torch.Tensor | None = None


class CenterHead(nn.Module):
    """A shared 3x3 convolution with ordinary batch norm, then linear layers per cell.

    Over cells of a backbone that keeps zeros it computes the map exactly: a cell that no occupied one reaches has the same
    value everywhere. ``grows`` False asks only the occupied cells (fully sparse).
    """

    def __init__(self, inputs: int, width: int, classes: int, grows: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5)
        self.norm = nn.BatchNorm1d(width, EPS, MOMENTUM)
        self.out = nn.Linear(width, classes + BOX)
        nn.init.constant_(self.out.bias[:classes], PRIOR_LOGIT)
        self.classes, self.grows = classes, grows
        self.products: torch.dtype | None = None
        self.over_map, self.over_cells = KeptTensors(), KeptTensors()

    def forward(self, x: Features) -> HeadMaps:
        """Return the maps of features."""
        return self._over_cells(x) if isinstance(x, SparseTensor) else self._over_map(x)

    def _over_map(self, x: torch.Tensor) -> HeadMaps:
        if self.training:
            y = map_convolved(x, self.weight, self.products)
            b, c, h, w = y.shape
            rows = torch.relu(self.norm(y.permute(0, 2, 3, 1).reshape(-1, c)))
            out = self.out(rows).view(b, h, w, -1).permute(0, 3, 1, 2)
        else:
            weight, shift = self.over_map.made((self.weight, *parts(self.norm)), self._folded)
            y = map_convolved(x, weight, self.products, shift).relu_()
            out = nn.functional.conv2d(y, self.out.weight[:, :, None, None], self.out.bias)
        return HeadMaps(out[:, : self.classes], out[:, self.classes :])

    def _folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        scale, shift = folded(self.norm)
        return self.weight * scale[:, None, None, None], shift

    def _folded_for_cells(self) -> tuple[torch.Tensor, ...]:
        """Return weight, shift, and what comes out at a cell without any neighbour [classes + BOX]."""
        weight, shift = self._folded()
        return taps_first(weight), shift, self.out(torch.relu(shift)).detach()

    def _over_cells(self, x: SparseTensor) -> HeadMaps:
        if self.training:
            y = self._convolved(x, taps_first(self.weight), After())
            rows = torch.relu(self.norm(y.features))
            background = self.out(torch.relu(folded(self.norm)[1])).detach()
        else:
            of = (self.weight, *parts(self.norm), *self.out.parameters())
            weight, shift, background = self.over_cells.made(of, self._folded_for_cells)
            y = self._convolved(x, weight, After(shift, relu=True))
            rows = y.features
        out = self.out(rows)
        b, (h, w) = y.sites.batch_size, y.sites.shape
        flat = background.repeat(b * h * w, 1).index_copy_(0, y.sites.keys, out)
        seen = None
        if not self.grows:
            seen = torch.zeros(b * h * w, dtype=torch.bool)
            seen[y.sites.keys] = True
            seen = seen.view(b, h, w)
        maps = flat.view(b, h, w, -1).permute(0, 3, 1, 2)
        return HeadMaps(maps[:, : self.classes], maps[:, self.classes :], seen)

    def _convolved(self, x: SparseTensor, weight: torch.Tensor, after: After) -> SparseTensor:
        if self.grows:
            return strided_conv(x, weight, 1, 1, after=after)
        return submanifold_conv(x, weight, after=after)
