"""A filter that keeps the best BEV cells at some insertion points; what "best" means, each method says for itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from effbench.kernels.sparse_conv import SparseTensor
from effbench.lidar.detector.blocks import Features
from effbench.lidar.detector.filtering import FeatureFilter
from effbench.lidar.frames import Frame
from effbench_baselines.ada3d.selecting import best_cells, in_kept_columns, occupancy, occupied

VOXEL_STRIDE = {"conv1": 2, "conv2": 1}
"""Sites per BEV cell after each block of the 3D backbone."""


class Dropped(NamedTuple):
    """What an insertion point of the last frame did: ``valid`` and ``kept`` bool [B, H, W] over BEV cells."""

    point: str
    valid: torch.Tensor
    kept: torch.Tensor


class CellDropper(FeatureFilter):
    """Keeps a share of the occupied BEV cells at each insertion point; points without a share keep all.

    ``voxel_keep``: block -> share; ``cell_keep``: 3x3 convolution -> share. Over a map dropped cells become zero, over sites
    they are gone: the two compute the same. ``dropped`` says what the last frame lost, for pictures and ``r_inbox``.
    A rule gives scores of the points that it has shares at; one with shares among voxels alone needs none of cells.
    """

    def __init__(self, voxel_keep: Mapping[str, float], cell_keep: Mapping[int, float]) -> None:
        super().__init__()
        self.voxel_keep, self.cell_keep = dict(voxel_keep), dict(cell_keep)
        self.frames: Sequence[Frame] = ()
        self.dropped: list[Dropped] = []

    def begin(self, frames: Sequence[Frame] = ()) -> None:
        """Forget the last frame; ``frames`` are those that come, where they are known."""
        self.frames, self.dropped = frames, []

    def voxel_scores(self, point: str, x: SparseTensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the scores [B, H, W] of BEV cells from voxels after block ``point``."""
        raise NotImplementedError

    def cell_scores(self, layer: int, x: Features, valid: torch.Tensor) -> torch.Tensor:
        """Return the scores [B, H, W] of BEV cells before 3x3 convolution ``layer``."""
        raise NotImplementedError

    def voxels(self, point: str, x: SparseTensor) -> SparseTensor:
        """Return the voxels of the best cells."""
        keep = self.voxel_keep.get(point, 1.0)
        if keep == 1:
            return x
        valid = occupancy(x, VOXEL_STRIDE[point])
        with torch.no_grad():
            kept = best_cells(self.voxel_scores(point, x, valid), valid, keep)
        self.dropped.append(Dropped(point, valid, kept))
        left: SparseTensor = in_kept_columns(x, kept, VOXEL_STRIDE[point])
        return left

    def cells(self, layer: int, x: Features) -> Features:
        """Return the best cells, others zero in a map. The gradient is masked too, as in the paper's code."""
        keep = self.cell_keep.get(layer, 1.0)
        if keep == 1:
            return x
        valid = occupied(x)
        with torch.no_grad():
            kept = best_cells(self.cell_scores(layer, x, valid), valid, keep)
        self.dropped.append(Dropped(f"bev{layer}", valid, kept))
        left: Features = in_kept_columns(x, kept, 1) if isinstance(x, SparseTensor) else x * kept[:, None]
        return left
