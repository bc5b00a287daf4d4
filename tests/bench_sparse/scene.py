"""What is convolved: the voxels of a frame as a spinning LiDAR sees a street, and occupied cells of a map from above."""

from __future__ import annotations

import numpy as np

FINE, COARSE = (20, 512, 512), (16, 256, 256)
"""Cells z, y, x: of 0.2 x 0.1 x 0.1 m, or of 0.25 x 0.2 x 0.2 m."""
EXTENT, LEAST = np.array([4.0, 51.2, 51.2]), np.array([-2.5, -25.6, 0.0])
"""Metres along z, y, x, and where they begin: x from 0 to 51.2 m, y 25.6 m to either side, z -2.5 to 1.5 m."""


def frame(voxels: int, grid: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Return the cells int32 [voxels, 3] (z, y, x), sorted, that rays of a LiDAR 1.73 m above a rough ground hit.

    64 rings over 90 degrees meet walls, cars and poles (boxes in any heading) or porous bushes, whichever is first. Of the
    voxels that many turns of it hit, those that the first ones hit are kept.
    """
    made = np.random.default_rng(seed)
    boxes = _boxes(made)
    found = np.empty((0, 3), np.int64)
    for _ in range(5):
        points = _hits(made, boxes)
        cells = np.floor((points[:, ::-1] - LEAST) / EXTENT * grid).astype(np.int64)
        cells = cells[((cells >= 0) & (cells < grid)).all(1)]
        both = np.concatenate([found, np.unique(cells, axis=0)])
        _, first = np.unique(both, axis=0, return_index=True)
        found = both[np.sort(first)]
        if len(found) >= voxels:
            return np.unique(found[:voxels], axis=0).astype(np.int32)
    raise AssertionError(f"{len(found)} voxels, fewer than {voxels}")


def _boxes(made: np.random.Generator) -> np.ndarray:
    """Return [N, 7]: centre x, y, half length, half width, height, heading, share of rays that are stopped."""
    kinds = [
        (12, (8.0, 0.15, 3.0), 1.0),
        (25, (2.0, 0.8, 1.6), 1.0),
        (25, (0.1, 0.1, 3.2), 1.0),
        (30, (1.2, 1.2, 2.2), 0.3),
    ]
    rows = [
        [made.uniform(3, 51), made.uniform(-25, 25), *size, made.uniform(0, np.pi), stopped]
        for count, size, stopped in kinds
        for _ in range(count)
    ]
    return np.array(rows)


def _hits(made: np.random.Generator, boxes: np.ndarray) -> np.ndarray:
    """Return the points [N, 3] (x, y, z) of one turn of the sensor."""
    azimuth = made.uniform(-np.pi / 4, np.pi / 4, 1024)
    elevation = np.deg2rad(np.linspace(-24.9, 2.0, 64))
    e, a = (grid.ravel() for grid in np.meshgrid(elevation, azimuth, indexing="ij"))
    way = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(way[:, 2] < 0, -1.73 / way[:, 2], 200.0)
        for x, y, length, width, height, heading, stopped in boxes:
            c, s = np.cos(heading), np.sin(heading)
            turned = np.stack([way[:, 0] * c + way[:, 1] * s, way[:, 1] * c - way[:, 0] * s, way[:, 2]], 1)
            centre = np.array([x * c + y * s, y * c - x * s, -1.73 + height / 2])
            half = np.array([length, width, height / 2])
            near, far = (centre - half) / turned, (centre + half) / turned
            enter, leave = np.minimum(near, far).max(1), np.maximum(near, far).min(1)
            if stopped < 1:  # somewhere inside of what is porous
                enter = enter + made.uniform(0, 1, len(enter)) * np.maximum(leave - enter, 0)
            hit = (enter < leave) & (enter > 0) & (enter < reach) & (made.uniform(0, 1, len(enter)) < stopped)
            reach = np.where(hit, enter, reach)
    points = way * reach[:, None] + made.normal(0, 0.02, way.shape)
    return points[(reach < 100) & (made.uniform(0, 1, len(reach)) < 0.95)]


def patches(cells: int, density: float, seed: int = 0) -> np.ndarray:
    """Return the occupied cells int32 [N, 2] (y, x) of a square map: patches a few cells wide, of a density."""
    made = np.random.default_rng(seed)
    height = made.standard_normal((cells, cells))
    for _ in range(2):
        around = np.pad(height, 1, mode="wrap")
        height = sum(around[y : y + cells, x : x + cells] for y in range(3) for x in range(3)) / 9
    return np.argwhere(height >= np.quantile(height, 1 - density)).astype(np.int32)
