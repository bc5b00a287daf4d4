"""What a centre head should say of a frame: Gaussian heat maps per class, and the box at the cells around each centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.frames import Frame

OVERLAP = 0.1
"""A corner moved by the radius still leaves this IoU (CenterPoint's setting)."""
LEAST_RADIUS = 2
"""Cells; CenterPoint's setting for the heat map that detection learns."""
FEWEST_POINTS = 2
"""A box with fewer points is neither asked for nor forbidden: nothing says that it is there."""
NEIGHBOURS = {"Van": "Car", "Person_sitting": "Pedestrian"}
"""Labels that KITTI's metric excuses for a class; there the heat map of the class is not judged."""
REACH = 5
"""Cells from the centre within which a fully sparse head's nearest occupied cell may stand for the object: 2 m of 0.4 m."""
HEIGHT_ORIGIN_M = -1.0
"""Centres of boxes lie near this height, so that what is learned is small."""


@dataclass(frozen=True)
class Objects:
    """Boxes [M, 7] as in ``Frame`` and their class numbers [M]; ``ignored`` [M]: neither asked for nor forbidden."""

    boxes: Array
    labels: Array
    ignored: Array


def objects_of(frame: Frame, classes: tuple[str, ...]) -> Objects:
    """Return what of a frame's labels concerns some classes; a neighbouring class and a box without points are ignored."""
    named = [NEIGHBOURS.get(name, name) for name in frame.classes]
    rows = [i for i, name in enumerate(named) if name in classes]
    ignored = [frame.classes[i] not in classes or frame.points_in_box[i] < FEWEST_POINTS for i in rows]
    labels = np.array([classes.index(named[i]) for i in rows], np.int64)
    return Objects(frame.boxes[rows].reshape(-1, 7), labels, np.array(ignored, bool))


@dataclass(frozen=True)
class Targets:
    """``heat`` float32 and ``judged`` bool [classes, H, W]; ``cells`` int64 [n] with ``boxes`` [n, 9], ``weights`` [n]."""

    heat: Array
    judged: Array
    cells: Array
    boxes: Array
    weights: Array


def targets_of(
    objects: Objects, config: DetectorConfig, seen: Array | None = None, least_radius: int = LEAST_RADIUS
) -> Targets:
    """Return the targets of a frame; ``seen`` bool [H, W] are the cells that a fully sparse head is asked at."""
    rows, columns = config.grid.cells(config.stride)
    cell = config.grid.cell_m(config.stride)
    asked = np.ones((rows, columns), bool) if seen is None else seen
    heat, ignore, cells, owners, weights = _drawn(
        objects.boxes,
        objects.labels,
        objects.ignored,
        len(config.classes),
        asked,
        np.array(config.grid.low[:2]),
        cell,
        least_radius,
    )
    boxes = objects.boxes[owners]
    y, x = cells // columns, cells % columns
    encoded = np.empty((len(cells), 9), np.float32)
    encoded[:, 0] = (boxes[:, 0] - config.grid.low[0]) / cell - (x + 0.5)
    encoded[:, 1] = (boxes[:, 1] - config.grid.low[1]) / cell - (y + 0.5)
    encoded[:, 2] = boxes[:, 2] - HEIGHT_ORIGIN_M
    encoded[:, 3:6] = np.log(np.maximum(boxes[:, 3:6], 1e-2))
    encoded[:, 6], encoded[:, 7] = np.sin(2 * boxes[:, 6]), np.cos(2 * boxes[:, 6])
    encoded[:, 8] = np.cos(boxes[:, 6] - AXIS_RAD) > 0
    return Targets(heat, ~ignore, cells, encoded, weights)


AXIS_RAD = 0.2
"""Which way round is asked against this direction, which few roads have: beside a road the answer is clear."""


def radius_cells(length: float, width: float, overlap: float = OVERLAP) -> float:
    """Return by how many cells both corners of a box may move while IoU stays at ``overlap`` (CornerNet's three cases)."""
    return float(_radius(length, width, overlap))


@njit(cache=True)
def _radius(length: float, width: float, overlap: float) -> float:
    total, area = length + width, length * width
    # moved as a whole: (l - r)(w - r) / (2 l w - (l - r)(w - r)) = o
    moved = (total - np.sqrt(max(0.0, total**2 - 4 * area * (1 - overlap) / (1 + overlap)))) / 2
    # shrunk on all sides: (l - 2 r)(w - 2 r) = o l w
    shrunk = (2 * total - np.sqrt(max(0.0, 4 * total**2 - 16 * (1 - overlap) * area))) / 8
    # grown on all sides: l w = o (l + 2 r)(w + 2 r)
    grown = (-2 * overlap * total + np.sqrt(4 * overlap**2 * total**2 + 16 * overlap * (1 - overlap) * area)) / (
        8 * overlap
    )
    return float(min(moved, shrunk, grown))


@njit(cache=True)
def _drawn(
    boxes: Array, labels: Array, ignored: Array, classes: int, asked: Array, low: Array, cell: float, least: int
) -> tuple[Array, Array, Array, Array, Array]:
    rows, columns = asked.shape
    heat = np.zeros((classes, rows, columns), np.float32)
    ignore = np.zeros((classes, rows, columns), np.bool_)
    cells, owners = np.empty(9 * len(boxes), np.int64), np.empty(9 * len(boxes), np.int64)
    weights, used = np.empty(9 * len(boxes), np.float32), 0
    for b in range(len(boxes)):
        x, y = (boxes[b, 0] - low[0]) / cell, (boxes[b, 1] - low[1]) / cell
        column, row = int(np.floor(x)), int(np.floor(y))
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        radius = max(least, int(_radius(boxes[b, 3] / cell, boxes[b, 4] / cell, 0.1)))
        sigma, label = (2 * radius + 1) / 6, labels[b]
        for r in range(max(0, row - radius), min(rows, row + radius + 1)):
            for c in range(max(0, column - radius), min(columns, column + radius + 1)):
                value = np.exp(-((r - row) ** 2 + (c - column) ** 2) / (2 * sigma**2))
                if ignored[b]:
                    ignore[label, r, c] = True
                else:
                    heat[label, r, c] = max(heat[label, r, c], np.float32(value))
        if ignored[b]:
            continue
        best, at_row, at_column = 1e9, -1, -1
        for r in range(max(0, row - 5), min(rows, row + 6)):
            for c in range(max(0, column - 5), min(columns, column + 6)):
                away = (r + 0.5 - y) ** 2 + (c + 0.5 - x) ** 2
                if asked[r, c] and away < best:
                    best, at_row, at_column = away, r, c
        if at_row < 0:
            continue
        heat[label, at_row, at_column] = 1.0
        for r in range(max(0, at_row - 1), min(rows, at_row + 2)):
            for c in range(max(0, at_column - 1), min(columns, at_column + 2)):
                if asked[r, c]:
                    cells[used], owners[used] = r * columns + c, b
                    weights[used] = 0.5 ** ((r != at_row) + (c != at_column))
                    used += 1
    # an object that is asked for outdoes one that is ignored
    for label in range(classes):
        for r in range(rows):
            for c in range(columns):
                if heat[label, r, c] == 1.0:
                    ignore[label, r, c] = False
    return heat, ignore, cells[:used], owners[:used], weights[:used]
