"""Where a method may drop voxels and BEV cells while a detector runs; without a filter nothing is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from effbench.kernels.sparse_conv import SparseTensor
    from effbench.lidar.frames import Frame

VOXEL_POINTS = ("conv1", "conv2")
"""Insertion points among the voxels, by the block after which they stand: strides 1 and 2 of the grid."""

CHOICE = "cell_choice"
"""Operation under which a filter records the kernels that choose what stays (``record_kernel``, as ``cell_choice/top-k``):
they are told apart from what its networks compute."""


class FeatureFilter(nn.Module):
    """Sees features at every insertion point and returns those that stay; this one keeps all of them."""

    def begin(self, frames: Sequence[Frame] = ()) -> None:
        """Called before each frame or training batch, with the frames where they are known."""

    def voxels(self, point: str, x: SparseTensor) -> SparseTensor:
        """Return what stays of voxels [N, C] after block ``point``."""
        return x

    def cells(self, layer: int, x: torch.Tensor | SparseTensor) -> torch.Tensor | SparseTensor:
        """Return what stays of the BEV features before 3x3 convolution ``layer``, 0 for the first: a map or its cells."""
        return x
