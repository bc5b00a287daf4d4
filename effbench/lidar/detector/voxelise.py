"""Points to voxels: the mean of a voxel's points (SECOND's mean VFE), in the order of their keys."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.errors import BadInput
from effbench.kernels.sparse_conv import bitmap
from effbench.lidar.detector.grid import VoxelGrid

CHANNELS = 5
"""Mean offset of a voxel's points from its centre along x, y, z in voxels, mean height in metres halved, mean intensity.

Offsets instead of coordinates, so that the same object looks the same everywhere: the network is small and sees few frames.
The height stays absolute because the ground lies at the same one everywhere."""


class Voxels(NamedTuple):
    """``coordinates`` int32 [V, 3] (z, y, x), sorted and unique; ``features`` float32 [V, CHANNELS]; ``points`` int32 [V]."""

    coordinates: Array
    features: Array
    points: Array


def voxelise(points: Array, grid: VoxelGrid) -> Voxels:
    """Return the occupied voxels of points [N, 4] (x, y, z in metres, intensity); points outside of the grid are left out.

    Raises ``BadInput`` where points have another shape or are not finite.
    """
    if points.ndim != 2 or points.shape[1] != 4:
        raise BadInput(f"points have shape {points.shape}; x, y, z and intensity are needed: [N, 4]")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points).all(1)).sum())
        raise BadInput(f"{bad} of {len(points)} points are not finite; remove them before detection")
    low, size = np.asarray(grid.low, np.float64), np.asarray(grid.voxel, np.float64)
    shape = np.asarray(grid.shape, np.int64)
    given = np.ascontiguousarray(points, np.float32)
    keys = _keys(given, low, size, shape)
    inside = keys[keys >= 0]
    words = bitmap.occupied(inside, int(shape.prod()))
    ranks = bitmap.before(words)
    rows = bitmap.ranks_of(inside, words, ranks)
    return Voxels(*_means(given[keys >= 0], rows, bitmap.keys_in(words, ranks), low, size, shape))


@njit(cache=True)
def _keys(points: Array, low: Array, size: Array, shape: Array) -> Array:
    """Return (z * Y + y) * X + x of each point's voxel, -1 outside."""
    depth, rows, columns = shape
    keys = np.empty(len(points), np.int64)
    for i in range(len(points)):
        x = np.int64(np.floor((points[i, 0] - low[0]) / size[0]))
        y = np.int64(np.floor((points[i, 1] - low[1]) / size[1]))
        z = np.int64(np.floor((points[i, 2] - low[2]) / size[2]))
        inside = 0 <= x < columns and 0 <= y < rows and 0 <= z < depth
        keys[i] = (z * rows + y) * columns + x if inside else -1
    return keys


@njit(cache=True)
def _means(
    points: Array, rows: Array, keys: Array, low: Array, size: Array, shape: Array
) -> tuple[Array, Array, Array]:
    """Return coordinates, features and points of the voxels ``keys``, of points in their rows."""
    _, lines, columns = shape
    coordinates = np.empty((len(keys), 3), np.int32)
    sums = np.zeros((len(keys), 4), np.float64)
    held = np.zeros(len(keys), np.int32)
    for i in range(len(points)):
        voxel = rows[i]
        held[voxel] += 1
        for axis in range(4):
            sums[voxel, axis] += points[i, axis]
    features = np.empty((len(keys), 5), np.float32)
    for v in range(len(keys)):
        line = keys[v] // columns
        coordinates[v, 0], coordinates[v, 1], coordinates[v, 2] = line // lines, line % lines, keys[v] - line * columns
        for axis in range(3):
            centre = low[axis] + (coordinates[v, 2 - axis] + 0.5) * size[axis]
            features[v, axis] = (sums[v, axis] / held[v] - centre) / size[axis]
        features[v, 3] = sums[v, 2] / held[v] / 2
        features[v, 4] = sums[v, 3] / held[v]
    return coordinates, features, held
