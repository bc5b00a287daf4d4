"""Which BEV cells of a frame stay: scores guided by density, the best of the occupied cells, their whole columns."""

from __future__ import annotations

from typing import NamedTuple

import torch

from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import SparseTensor
from effbench.kernels.sparse_conv.sites import three
from effbench.lidar.detector.blocks import Features
from effbench.lidar.detector.filtering import CHOICE
from effbench.lidar.detector.spbn import active_pixels
from effbench_baselines.ada3d import cell_loops, choice_cost

EPS = 1e-4
"""Added to the density before it divides, as the paper's code has it."""

choice_cost.register_all()


class Guidance(NamedTuple):
    """How strongly scores are divided by the density around, and the side of the square that density is taken in, cells."""

    alpha: float
    window: int


VOXEL_GUIDANCE, CELL_GUIDANCE = Guidance(0.2, 16), Guidance(0.15, 8)
"""The paper's: squares of 6.4 m for voxels and of 3.2 m for BEV cells, with cells of 0.4 m as ours."""


def guided(scores: torch.Tensor, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return S = Y * valid / (density + eps)^alpha of scores Y [B, H, W]; alpha 0 leaves the scores of occupied cells alone.

    What Ada3D describes; its released code divides but forgets ``valid``, so that empty cells would be kept first.
    """
    if guidance.alpha == 0:
        return scores * valid
    scores = scores.float()
    given = scores.numpy(), valid.numpy()
    out = torch.from_numpy(cell_loops.divided_by_density(*given, guidance.window, guidance.alpha, EPS))
    record_kernel(f"{CHOICE}/density", scores, valid, guidance.window, out=out)
    return out


def best_cells(scores: torch.Tensor, valid: torch.Tensor, keep: float) -> torch.Tensor:
    """Return bool [B, H, W]: the ``floor(keep * n)`` best of each frame's n occupied cells; of equal ones the first.

    Raises ``BadInput`` for a ratio outside of [0, 1].
    """
    if not 0 <= keep <= 1:
        raise BadInput(f"keep ratio {keep} of occupied cells; say a share from 0 to 1, as 0.5")
    if keep == 1:
        return valid
    flat = valid.reshape(len(valid), -1).numpy()
    ranked = scores.detach().reshape(len(valid), -1).contiguous().numpy()
    kept = torch.from_numpy(cell_loops.best_of_each(ranked, flat, keep)).view(valid.shape)
    record_kernel(f"{CHOICE}/top-k", scores, valid, keep, out=kept)
    return kept


def cells_of(x: SparseTensor, stride: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return (batch, row, column) int64 [N] of the BEV cell, ``stride`` sites wide, that each row of x lies in."""
    batch, *_, y, column = x.sites.coordinates.long().unbind(1)
    return batch, y // stride, column // stride


def occupancy(x: SparseTensor, stride: int) -> torch.Tensor:
    """Return bool [B, H, W]: does any site of x lie in the cell."""
    rows, columns = (extent // stride for extent in x.sites.shape[-2:])
    count = x.sites.batch_size * rows * columns
    found = torch.from_numpy(cell_loops.marked(_flat_cells(x, stride), count))
    record_kernel(f"{CHOICE}/occupancy", x.sites.keys, out=found)
    return found.view(x.sites.batch_size, rows, columns)


def occupied(x: Features) -> torch.Tensor:
    """Return bool [B, H, W]: the cells with any channel other than zero; a site whose features ReLU ended is empty."""
    if not isinstance(x, SparseTensor):
        active: torch.Tensor = active_pixels(x)
        return active
    batch, (rows, columns) = x.sites.batch_size, x.sites.shape
    given = x.sites.keys.numpy(), x.features.detach().numpy()
    found = torch.from_numpy(cell_loops.marked_if_active(*given, batch * rows * columns))
    record_kernel(f"{CHOICE}/active", x.sites.keys, x.features, out=found)
    return found.view(batch, rows, columns)


def in_kept_columns(x: SparseTensor, kept: torch.Tensor, stride: int) -> SparseTensor:
    """Return the rows of x whose cell is kept, whole columns along z; kernel maps are looked up anew after it."""
    rows = torch.from_numpy(cell_loops.taken(kept.reshape(-1).numpy(), _flat_cells(x, stride)))
    record_kernel(f"{CHOICE}/taken", x.sites.keys, kept, out=rows)
    chosen: SparseTensor = x.take(rows)
    return chosen


def _flat_cells(x: SparseTensor, stride: int) -> Array:
    """Return the flat cell int32 [N] over all frames of each row of x."""
    cells: Array = cell_loops.cells_of_keys(x.sites.keys.numpy(), three(x.sites.shape), stride)
    return cells
