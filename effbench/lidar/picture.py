"""A frame seen from above: points, true boxes, detections, and the cells that a method kept and dropped."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from effbench.arrays import Array
from effbench.lidar.cells import DROPPED, KEPT, CellStates
from effbench.lidar.frames import CLASSES, Detections, Frame

PIXELS_PER_M = 12
"""A pedestrian is then seven pixels wide, and 51 metres fit a board."""
LARGEST_PX = 1000
"""On either side; a larger area gets fewer pixels per metre."""
SURE = 0.3
"""Score from which a detection is drawn: below lie mostly the false ones, which would cover the frame."""

BACKGROUND, POINT = (16, 18, 24), (150, 155, 165)
"""Almost black, and the grey of a point at the road's height; higher ones are lighter."""
TRUTH, EXCUSED, FOUND = (60, 220, 110), (40, 110, 70), (255, 165, 40)
"""Green for what is looked for, dark green for labels that count for nothing, orange for detections."""
KEPT_TINT, DROPPED_TINT = (28, 60, 130), (130, 30, 40)
"""Blue and red, dark enough for points to be seen on them."""

LEGEND = "from above, x upwards: truth green, detections orange, the line ahead marks the heading"


def from_above(frame: Frame, found: Detections, area: Array, cells: CellStates | None = None) -> Array:
    """Return uint8 [height, width, 3] of an area [4] (least x, y, largest x, y in metres): x upwards, y to the left."""
    canvas = _Canvas(area)
    if cells is not None:
        canvas.tint(cells)
    canvas.scatter(frame.points)
    for box, name in zip(frame.boxes, frame.classes):
        if box[3:6].min() > 0:
            canvas.outline(box, TRUTH if name in CLASSES else EXCUSED)
    for box in found.boxes[found.scores >= SURE]:
        canvas.outline(box, FOUND)
    return canvas.pixels


class _Canvas:
    def __init__(self, area: Array) -> None:
        self.low, self.high = np.asarray(area[:2], np.float64), np.asarray(area[2:], np.float64)
        size = self.high - self.low
        self.scale = min(float(PIXELS_PER_M), LARGEST_PX / float(size.max()))
        height, width = (max(1, round(float(side) * self.scale)) for side in size)
        self.pixels = np.empty((height, width, 3), np.uint8)
        self.pixels[:] = BACKGROUND

    def places(self, xy: Array) -> tuple[Array, Array, Array]:
        """Return rows and columns of places [n, 2] in metres, and which of them lie in the picture [n]."""
        height, width = self.pixels.shape[:2]
        with np.errstate(invalid="ignore"):
            rows = height - 1 - np.floor((xy[:, 0] - self.low[0]) * self.scale)
            columns = width - 1 - np.floor((xy[:, 1] - self.low[1]) * self.scale)
            inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        return (
            np.where(inside, rows, 0).astype(np.intp),
            np.where(inside, columns, 0).astype(np.intp),
            np.asarray(inside),
        )

    def tint(self, cells: CellStates) -> None:
        """Colour every pixel by the state of its cell."""
        height, width = self.pixels.shape[:2]
        x = self.low[0] + (height - np.arange(height) - 0.5) / self.scale
        y = self.low[1] + (width - np.arange(width) - 0.5) / self.scale
        rows = np.floor((y - cells.low[1]) / cells.size_m[1]).astype(np.intp)
        columns = np.floor((x - cells.low[0]) / cells.size_m[0]).astype(np.intp)
        known = ((rows >= 0) & (rows < cells.states.shape[0]))[None] & (
            (columns >= 0) & (columns < cells.states.shape[1])
        )[:, None]
        last = np.array(cells.states.shape) - 1
        states = cells.states[rows.clip(0, last[0])[None], columns.clip(0, last[1])[:, None]]
        self.pixels[known & (states == KEPT)] = KEPT_TINT
        self.pixels[known & (states == DROPPED)] = DROPPED_TINT

    def scatter(self, points: Array) -> None:
        """Draw points, the higher the lighter."""
        rows, columns, inside = self.places(points[:, :2].astype(np.float64))
        order = np.argsort(points[inside, 2], kind="stable")  # the highest last, so that it is seen
        rise = np.clip((points[inside, 2][order] + 1.7) / 3.0, 0.0, 1.0)[:, None]
        colour = np.array(POINT) + rise * (255 - np.array(POINT))
        self.pixels[rows[inside][order], columns[inside][order]] = colour.astype(np.uint8)

    def outline(self, box: Array, colour: tuple[int, int, int]) -> None:
        """Draw the sides of a box from above, and a line from its middle over its front."""
        x, y, _, dx, dy, _, heading = box
        cos, sin = np.cos(heading), np.sin(heading)
        around = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1), (1, 1)]) / 2 * [dx, dy]
        ahead = np.array([(0.0, 0.0), (dx / 2 + 0.5, 0.0)])
        for path in (around, ahead):
            turned = np.stack([x + cos * path[:, 0] - sin * path[:, 1], y + sin * path[:, 0] + cos * path[:, 1]], 1)
            for start, end in pairwise(turned):
                count = max(2, int(np.linalg.norm(end - start) * self.scale * 1.5) + 1)
                rows, columns, inside = self.places(start + np.linspace(0, 1, count)[:, None] * (end - start))
                self.pixels[rows[inside], columns[inside]] = colour
