"""Rotated boxes: overlap from above and in space, points inside, non-maximum suppression. Compiled, float64.

A box is x, y, z of its centre, dx along its heading, dy, dz, and the heading in radians from x towards y, as in ``Frame``.
The common area of two footprints is that of a rectangle clipped by the four sides of the other (Sutherland & Hodgman 1974,
Communications of the ACM 17, 32-42), in the other's own frame, where its sides are parallel to the axes.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.errors import BadInput

ROOM = 24
"""Corners that fit: four cuts leave a rectangle 8 at most, and 4 x 1.5^4 where rounding has it no longer quite convex."""


def bev_iou(a: Array, b: Array) -> Array:
    """Return the intersection over union of the footprints of boxes [n, 7] and [m, 7]: float64 [n, m]."""
    return overlaps(a, b)[0]


def iou_3d(a: Array, b: Array) -> Array:
    """Return the intersection over union of the volumes of boxes [n, 7] and [m, 7]: float64 [n, m]."""
    return overlaps(a, b)[1]


def overlaps(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the intersection over union of boxes [n, 7] and [m, 7] from above and in space: float64 [n, m] each.

    A box without area (or volume) overlaps nothing, not even itself. Raises ``BadInput`` for another shape.
    """
    bev, volume = _overlaps(_checked(a), _checked(b))
    return bev, volume


def points_in_boxes(points: Array, boxes: Array) -> Array:
    """Return bool [m, n]: is point n (x, y, z first in its row) inside box m [m, 7], its faces included."""
    points = np.ascontiguousarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] < 3:
        raise BadInput(f"points have shape {list(points.shape)}; x, y, z are needed first in each row: [n, 3 or more]")
    inside: Array = _inside(points, _checked(boxes))
    return inside


def nms_bev(boxes: Array, scores: Array, limit: float, most: int | None = None) -> Array:
    """Return which boxes [n, 7] stay, best first: int64 [kept].

    A box goes if its footprint overlaps that of a better one by more than ``limit``; of equal scores the first is better.
    ``most``: stop at so many.
    """
    boxes, scores = _checked(boxes), np.asarray(scores, np.float64)
    if scores.shape != (len(boxes),):
        raise BadInput(f"{len(boxes)} boxes, but scores of shape {list(scores.shape)}; one per box is needed")
    order = np.argsort(-scores, kind="stable")
    kept = _suppress(boxes[order], float(limit), len(boxes) if most is None else int(most))
    chosen: Array = order[kept]
    return chosen


def _checked(boxes: Array) -> Array:
    boxes = np.ascontiguousarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 7:
        raise BadInput(f"boxes have shape {list(boxes.shape)}; x, y, z, dx, dy, dz and heading are needed: [n, 7]")
    return boxes


@njit(cache=True)
def _cut(corners: Array, count: int, axis: int, side: float, reach: float, cut: Array) -> int:
    """Write what of a convex polygon has side * coordinate <= reach into ``cut``; return the number of its corners."""
    found = 0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        here, there = reach - side * corners[i, axis], reach - side * corners[j, axis]
        if here >= 0:
            cut[found, 0], cut[found, 1] = corners[i, 0], corners[i, 1]
            found += 1
        if (here > 0 and there < 0) or (here < 0 and there > 0):
            share = here / (here - there)
            cut[found, 0] = corners[i, 0] + share * (corners[j, 0] - corners[i, 0])
            cut[found, 1] = corners[i, 1] + share * (corners[j, 1] - corners[i, 1])
            found += 1
    return found


@njit(cache=True)
def _common_area(a: Array, b: Array, corners: Array, cut: Array) -> float:
    """Return the common area of two footprints; ``corners`` and ``cut`` are room to work in."""
    east, north = a[0] - b[0], a[1] - b[1]
    if east * east + north * north >= (np.hypot(a[3], a[4]) + np.hypot(b[3], b[4])) ** 2 / 4:
        return 0.0
    cos, sin = np.cos(b[6]), np.sin(b[6])
    x, y = cos * east + sin * north, cos * north - sin * east
    cos, sin = np.cos(a[6] - b[6]), np.sin(a[6] - b[6])
    for i in range(4):
        along = a[3] / 2 if i == 0 or i == 3 else -a[3] / 2
        across = a[4] / 2 if i < 2 else -a[4] / 2
        corners[i, 0], corners[i, 1] = x + cos * along - sin * across, y + sin * along + cos * across
    count = _cut(corners, 4, 0, 1.0, b[3] / 2, cut)
    count = _cut(cut, count, 0, -1.0, b[3] / 2, corners)
    count = _cut(corners, count, 1, 1.0, b[4] / 2, cut)
    count = _cut(cut, count, 1, -1.0, b[4] / 2, corners)
    doubled = 0.0
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        doubled += corners[i, 0] * corners[j, 1] - corners[j, 0] * corners[i, 1]
    return abs(doubled) / 2


@njit(cache=True)
def _overlaps(a: Array, b: Array) -> tuple[Array, Array]:
    bev, volume = np.zeros((len(a), len(b))), np.zeros((len(a), len(b)))
    corners, cut = np.empty((ROOM, 2)), np.empty((ROOM, 2))
    for i in range(len(a)):
        if not (a[i, 3] > 0 and a[i, 4] > 0):
            continue
        for j in range(len(b)):
            if not (b[j, 3] > 0 and b[j, 4] > 0):
                continue
            area = _common_area(a[i], b[j], corners, cut)
            if area <= 0:
                continue
            areas = a[i, 3] * a[i, 4], b[j, 3] * b[j, 4]
            bev[i, j] = area / (areas[0] + areas[1] - area)
            top = min(a[i, 2] + a[i, 5] / 2, b[j, 2] + b[j, 5] / 2)
            height = top - max(a[i, 2] - a[i, 5] / 2, b[j, 2] - b[j, 5] / 2)
            if height > 0:
                common = area * height
                volume[i, j] = common / (areas[0] * a[i, 5] + areas[1] * b[j, 5] - common)
    return bev, volume


@njit(cache=True)
def _inside(points: Array, boxes: Array) -> Array:
    inside = np.zeros((len(boxes), len(points)), np.bool_)
    for i in range(len(boxes)):
        x, y, z, dx, dy, dz, heading = boxes[i]
        if not (dx > 0 and dy > 0 and dz > 0):
            continue
        cos, sin = np.cos(heading), np.sin(heading)
        for j in range(len(points)):
            if abs(points[j, 2] - z) <= dz / 2:
                ahead, left = points[j, 0] - x, points[j, 1] - y
                inside[i, j] = abs(cos * ahead + sin * left) <= dx / 2 and abs(cos * left - sin * ahead) <= dy / 2
    return inside


@njit(cache=True)
def _suppress(boxes: Array, limit: float, most: int) -> Array:
    kept, count = np.empty(len(boxes), np.int64), 0
    corners, cut = np.empty((ROOM, 2)), np.empty((ROOM, 2))
    for i in range(len(boxes)):
        if count >= most:
            break
        stays = True
        for k in range(count):
            other = boxes[kept[k]]
            area = _common_area(boxes[i], other, corners, cut)
            union = boxes[i, 3] * boxes[i, 4] + other[3] * other[4] - area
            if area > 0 and area > limit * union:
                stays = False
                break
        if stays:
            kept[count] = i
            count += 1
    return kept[:count]
