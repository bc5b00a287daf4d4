"""The backbones: voxels to BEV cells in 3D, then over BEV: dense as in the paper, or over the occupied cells alone."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import nn

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.kernels.sparse_conv import After, SparseTensor, break_even_density, inverse_conv
from effbench.kernels.sparse_conv.sites import Sites
from effbench.lidar.detector.blocks import Features, MapBlock, VoxelBlock, folded, parts
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.filtering import FeatureFilter
from effbench.lidar.detector.folding import KeptTensors
from effbench.lidar.detector.voxelise import CHANNELS

Execution = Literal["auto", "dense", "sparse"]

HEIGHT_STEP = 4
"""Voxels along z that the last 3D convolution takes together: 2 m of them at stride 2."""


class VoxelBackbone(nn.Module):
    """Two levels of submanifold convolutions with a strided one between; the height is then folded into channels."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        fine, coarse = config.channels(16), config.channels(32)
        cube = (3, 3, 3)
        self.conv1 = nn.Sequential(VoxelBlock(CHANNELS, fine, cube), VoxelBlock(fine, fine, cube))
        self.conv2 = nn.Sequential(
            VoxelBlock(fine, coarse, cube, (2, 2, 2), (1, 1, 1)),
            VoxelBlock(coarse, coarse, cube),
            VoxelBlock(coarse, coarse, cube),
        )
        step = (HEIGHT_STEP, 1, 1)
        self.conv_out = VoxelBlock(coarse, coarse, step, step, (0, 0, 0))
        depth = config.grid.shape[0] // 2 // HEIGHT_STEP
        self.outputs = coarse * depth

    def forward(self, x: SparseTensor, drop: FeatureFilter) -> SparseTensor:
        """Return BEV cells [N, channels x heights] of voxels."""
        x = drop.voxels("conv1", self.conv1(x))
        x = drop.voxels("conv2", self.conv2(x))
        return to_cells(self.conv_out(x))


class PillarBackbone(nn.Module):
    """No 3D convolution: voxels of a column are one cell, their features side by side, then a linear layer (a pillar)."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.outputs = config.channels(64)
        self.stride, self.depth = config.stride, config.grid.shape[0]
        self.linear = VoxelBlock(
            CHANNELS * 2,
            self.outputs,
            (self.depth, self.stride, self.stride),
            (self.depth, *(self.stride,) * 2),
            (0, 0, 0),
        )

    def forward(self, x: SparseTensor, drop: FeatureFilter) -> SparseTensor:
        """Return BEV cells [N, channels] of voxels: one strided convolution over each whole column."""
        given = torch.cat([x.features, x.features.square()], 1)
        return to_cells(self.linear(x.with_features(given)))


def to_cells(x: SparseTensor) -> SparseTensor:
    """Return BEV cells [M, C x Z] of voxels [N, C] on a grid (Z, Y, X); channel c at height z becomes channel c * Z + z."""
    depth, rows, columns = x.sites.shape
    keys, place = columns_of(x.sites.keys.numpy(), x.sites.batch_size, depth, rows * columns)
    channels = x.features.shape[1]
    flat = x.features.new_zeros(len(keys) * depth, channels).index_copy_(0, torch.from_numpy(place), x.features)
    folded_rows = flat.view(len(keys), depth, channels).transpose(1, 2).reshape(len(keys), channels * depth)
    return SparseTensor(Sites(torch.from_numpy(keys), x.sites.batch_size, (rows, columns)), folded_rows)


@njit(cache=True)
def columns_of(keys: Array, batch: int, depth: int, area: int) -> tuple[Array, Array]:  # pragma: no cover - compiled
    """Return (key of each occupied column over all frames, in order; column * depth + z of each voxel), int64 both."""
    number = np.full(batch * area, -1, np.int64)
    place = np.empty(len(keys), np.int64)
    for i in range(len(keys)):
        plane = keys[i] // area
        place[i] = plane // depth * area + keys[i] - plane * area
        number[place[i]] = 0
    found = np.flatnonzero(number == 0)
    number[found] = np.arange(len(found))
    for i in range(len(keys)):
        place[i] = number[place[i]] * depth + keys[i] // area % depth
    return found, place


class DenseBev(nn.Module):
    """The paper's BEV backbone: 3x3 convolutions over the whole map, which SP-BN lets run over occupied cells instead.

    ``execution``: ``dense``, ``sparse`` or ``auto``, which goes over to the map where more than ``break_even`` of the cells
    are occupied, as measured (docs/sparse-kernels.md). All three compute the same.
    """

    def __init__(self, inputs: int, config: DetectorConfig) -> None:
        super().__init__()
        width = config.channels(32)
        self.blocks = nn.ModuleList(
            MapBlock(inputs if i == 0 else width, width, "batch" if config.norm == "batch" else "sp-bn")
            for i in range(config.layers)
        )
        self.outputs = width
        self.execution: Execution = "dense"
        self.break_even = break_even_density(width)

    def forward(self, x: SparseTensor, drop: FeatureFilter) -> Features:
        """Return a map [B, C, H, W] or its occupied cells."""
        y: Features = x
        if self.training or self.execution == "dense":
            y = x.dense()
        for i, block in enumerate(self.blocks):
            y = drop.cells(i, y)
            if self.execution == "auto" and not self.training:
                y = self._switched(y)
            y = block(y)
        return y

    def _switched(self, y: Features) -> Features:
        """Return the form that the next convolution is faster on; a map stays one unless most of it was dropped."""
        if isinstance(y, SparseTensor):
            return y.dense() if y.sites.density() > self.break_even else y
        occupied = (y != 0).any(1)
        if float(occupied.float().mean()) < self.break_even / 2:  # going back costs a pass over the map
            return SparseTensor.from_dense(y, occupied)
        return y


class SparseBev(nn.Module):
    """VoxelNeXt-type: only occupied cells, which no layer adds to; two coarser levels carry what lies far apart.

    Ordinary batch norm over the rows, since sparsity lies in the sites here.
    """

    def __init__(self, inputs: int, config: DetectorConfig) -> None:
        super().__init__()
        width = config.channels(48)
        square, half, one = (3, 3), (2, 2), (1, 1)

        def level() -> list[nn.Module]:
            return [VoxelBlock(width, width, square)]

        self.enter = nn.Sequential(VoxelBlock(inputs, width, square), *level())
        self.down1 = nn.Sequential(VoxelBlock(width, width, square, half, one), *level())
        self.down2 = nn.Sequential(VoxelBlock(width, width, square, half, one), *level())
        self.up2, self.up1 = _Up(width), _Up(width)
        self.leave = nn.Sequential(*level())
        self.outputs = width

    def forward(self, x: SparseTensor, drop: FeatureFilter) -> SparseTensor:
        """Return the same cells with features of the BEV backbone."""
        kept = drop.cells(0, x)
        assert isinstance(kept, SparseTensor)
        fine = self.enter(kept)
        middle = self.down1(fine)
        coarse = self.down2(middle)
        middle = self.up2(coarse, middle)
        left: SparseTensor = self.leave(self.up1(middle, fine))
        return left


class _Up(nn.Module):
    """Inverse convolution onto the finer level's sites, norm, added to what is there, ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3, width, width) * (2 / (9 * width)) ** 0.5)
        self.norm = nn.BatchNorm1d(width)
        self.kept = KeptTensors()

    def forward(self, x: SparseTensor, onto: SparseTensor) -> SparseTensor:
        if self.training and len(onto.features) > 1:
            rows = self.norm(inverse_conv(x, self.weight, onto.sites, 2, 1).features)
        else:
            weight, shift = self.kept.made((self.weight, *parts(self.norm)), self._folded)
            rows = inverse_conv(x, weight, onto.sites, 2, 1, after=After(shift)).features
        return onto.with_features(torch.relu(rows + onto.features))

    def _folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        scale, shift = folded(self.norm)
        return self.weight * scale, shift
