"""Which BEV cells of a frame stay: scores guided by density, the best of the occupied cells, their whole columns."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from effbench.errors import BadInput
from effbench.kernels.sparse_conv import SparseTensor

EPS = 1e-4
"""Added to the density before it divides, as the paper's code has it."""


class Guidance(NamedTuple):
    """How strongly scores are divided by the density around, and the side of the square that density is taken in, cells."""

    alpha: float
    window: int


VOXEL_GUIDANCE, CELL_GUIDANCE = Guidance(0.2, 16), Guidance(0.15, 8)
"""The paper's: squares of 6.4 m for voxels and of 3.2 m for BEV cells, with cells of 0.4 m as ours."""


def local_density(valid: torch.Tensor, window: int) -> torch.Tensor:
    """Return the occupied share of the square that each cell lies in, float32 [B, H, W], of occupancy bool [B, H, W]."""
    rows, columns = valid.shape[1:]
    share = nn.functional.avg_pool2d(valid[:, None].float(), window, ceil_mode=True, count_include_pad=False)
    return nn.functional.interpolate(share, scale_factor=float(window))[:, 0, :rows, :columns]


def guided(scores: torch.Tensor, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return S = Y * valid / (density + eps)^alpha of scores Y [B, H, W]; alpha 0 leaves the scores of occupied cells alone.

    What Ada3D describes; its released code divides but forgets ``valid``, so that empty cells would be kept first.
    """
    kept = scores * valid
    if guidance.alpha == 0:
        return kept
    return kept / (local_density(valid, guidance.window) + EPS) ** guidance.alpha


def best_cells(scores: torch.Tensor, valid: torch.Tensor, keep: float) -> torch.Tensor:
    """Return bool [B, H, W]: the ``floor(keep * n)`` best of each frame's n occupied cells; of equal ones the first.

    Raises ``BadInput`` for a ratio outside of [0, 1].
    """
    if not 0 <= keep <= 1:
        raise BadInput(f"keep ratio {keep} of occupied cells; say a share from 0 to 1, as 0.5")
    if keep == 1:
        return valid
    kept = torch.zeros_like(valid)
    for frame in range(len(valid)):
        occupied = valid[frame].flatten().nonzero()[:, 0]
        count = int(keep * len(occupied) + 1e-9)  # 0.29 * 100 is 28.999... in floats
        order = torch.sort(scores[frame].flatten()[occupied], descending=True, stable=True).indices[:count]
        kept[frame].view(-1)[occupied[order]] = True
    return kept


def cells_of(x: SparseTensor, stride: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (batch, row, column) int64 [N] of the BEV cell, ``stride`` sites wide, that each row of x lies in."""
    batch, *_, y, column = x.sites.coordinates.long().unbind(1)
    return batch, y // stride, column // stride


def occupancy(x: SparseTensor, stride: int) -> torch.Tensor:
    """Return bool [B, H, W]: does any site of x lie in the cell."""
    rows, columns = (extent // stride for extent in x.sites.shape[-2:])
    valid = torch.zeros(x.sites.batch_size, rows, columns, dtype=torch.bool)
    valid[cells_of(x, stride)] = True
    return valid


def in_kept_columns(x: SparseTensor, kept: torch.Tensor, stride: int) -> SparseTensor:
    """Return the rows of x whose cell is kept, whole columns along z; kernel maps are looked up anew after it."""
    return x.select(kept[cells_of(x, stride)])
