"""Deterministic placement of point labels: the nearest free spot around each point, most crowded point first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, hypot, pi, sin

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""

ANGLES = tuple(pi / 4 * eighth for eighth in (1, 7, 3, 5, 0, 2, 6, 4))
"""Directions in order of preference: the corners first, right before left, since text reads to the right."""

STEPS = (1.0, 1.8, 3.0, 4.6, 6.6, 9.0)
"""Distances to try, in gaps: each some two thirds further, up to about two lines of text away."""

LEADER_FROM = 3.0
"""Gaps from which on a label is no longer seen to belong to its point without a line."""

LEADER_COST = 0.02
"""Share of a label's area that needing a line counts as: it decides between spots that are free, never against a free one."""


@dataclass(frozen=True)
class Spot:
    """Where a label's box stands; ``needs_leader`` where only a line tells which point it names."""

    box: Box
    needs_leader: bool


def place_labels(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    obstacles: Sequence[Box],
    frame: Box,
    gap: float,
) -> tuple[Spot, ...]:
    """Return a spot for each label of a given (width, height) near its anchor, all in pixels.

    A spot is chosen to lie inside ``frame`` and off every obstacle, every anchor and every label placed before; where
    no such spot exists, the one with the least overlap is taken.
    """
    order = sorted(range(len(anchors)), key=lambda i: (-_crowd(anchors, i, gap), i))
    marks = [(x - gap / 2, y - gap / 2, x + gap / 2, y + gap / 2) for x, y in anchors]
    spots: dict[int, Spot] = {}
    for index in order:
        taken = [*obstacles, *marks, *(spot.box for spot in spots.values())]
        candidates = [
            _spot(anchors, index, _box(anchors[index], sizes[index], angle, gap * step), step)
            for step in STEPS
            for angle in ANGLES
        ]
        spots[index] = min(candidates, key=lambda spot: _cost(spot, taken, frame))
    return tuple(spots[index] for index in range(len(anchors)))


def overlap(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _spot(anchors: Sequence[tuple[float, float]], index: int, box: Box, step: float) -> Spot:
    """Return the spot of a box, with a leader where the box is far away or stands nearer to another point."""
    distances = [_distance(box, anchor) for anchor in anchors]
    return Spot(box, step >= LEADER_FROM or min(distances) < distances[index])


def _cost(spot: Spot, taken: Sequence[Box], frame: Box) -> float:
    """Return the area covered or outside; needing a leader costs a little, so that a plain spot wins over an equal one."""
    area = (spot.box[2] - spot.box[0]) * (spot.box[3] - spot.box[1])
    outside = max(0.0, area - overlap(spot.box, frame))
    covered = sum(overlap(spot.box, other) for other in taken)
    return covered + 10 * outside + LEADER_COST * area * spot.needs_leader


def _distance(box: Box, point: tuple[float, float]) -> float:
    return hypot(max(box[0] - point[0], 0, point[0] - box[2]), max(box[1] - point[1], 0, point[1] - box[3]))


def _box(anchor: tuple[float, float], size: tuple[float, float], angle: float, distance: float) -> Box:
    """Return the box that touches the circle around the anchor in the direction of ``angle``."""
    x, y = anchor[0] + distance * cos(angle), anchor[1] + distance * sin(angle)
    left = x - size[0] * (1 - _sign(cos(angle))) / 2
    bottom = y - size[1] * (1 - _sign(sin(angle))) / 2
    return (left, bottom, left + size[0], bottom + size[1])


def _sign(number: float) -> int:
    return 0 if abs(number) < 1e-9 else (1 if number > 0 else -1)


def _crowd(anchors: Sequence[tuple[float, float]], index: int, gap: float) -> float:
    x, y = anchors[index]
    return sum(1 / (gap + hypot(x - u, y - v)) for i, (u, v) in enumerate(anchors) if i != index)
