"""Focals-type: only important cells spread to their neighbours, others stay where they are (Focals Conv, CVPR 2022).

The opposite policy to dropping: every occupied cell is computed, but a 3x3 convolution makes new cells around the important
ones alone. Importance is the mean magnitude of a cell's features here; Focals Conv learns it with the network.
"""

from __future__ import annotations

import torch
from torch import nn

from effbench.kernels.sparse_conv import SparseTensor
from effbench.lidar.detector.blocks import Features
from effbench_baselines.ada3d.dropping import CellDropper, Dropped
from effbench_baselines.ada3d.selecting import best_cells, in_kept_columns, occupied
from effbench_baselines.lidar_peers.rules import by_magnitude


class FocalGrowth(CellDropper):  # type: ignore[misc]
    """Lets a share of the occupied cells grow in every 3x3 convolution; new neighbours of the others are taken away."""

    def __init__(self, spread: float) -> None:
        super().__init__({}, {})
        self.spread = spread
        self.allowed: torch.Tensor | None = None

    def begin(self, frames=()) -> None:  # type: ignore[no-untyped-def]
        """Forget the last frame."""
        super().begin(frames)
        self.allowed = None

    def cells(self, layer: int, x: Features) -> Features:
        """Return the cells that the last convolution may have made, and note which may grow in the next."""
        valid = occupied(x)
        kept = valid if self.allowed is None else valid & self.allowed
        if self.allowed is not None:
            self.dropped.append(Dropped(f"bev{layer}", valid, kept))
            x = in_kept_columns(x, kept, 1) if isinstance(x, SparseTensor) else x * kept[:, None]
        with torch.no_grad():
            important = best_cells(by_magnitude(self, x, kept, None), kept, self.spread)
            grown = nn.functional.max_pool2d(important[:, None].float(), 3, 1, 1)[:, 0] > 0
        self.allowed = kept | grown
        return x
