"""The ground that labels are put on: where around a point one is free, and which free spot covers least."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array

Box = tuple[float, float, float, float]
"""Left, bottom, right, top, in pixels."""

ANGLES = tuple(pi / 12 * part for part in (3, 21, 9, 15, 0, 6, 18, 12, 1, 23, 5, 19, 7, 17, 11, 13))
"""Directions in order of preference: the corners first, right before left, since text reads to the right; then all around,
and last those close to the axes, where a line has room between bars."""

STEPS = (1.0, 1.8, 3.0, 4.6, 6.6, 9.0, 12.0, 15.0)
"""Distances to try, in gaps: each some third further, up to about four lines of text away."""

LEADER_FROM = 3.0
"""Gaps from which on a label is no longer seen to belong to its point without a line."""

LEADER_COST = 0.02
"""Share of a label's area that each gap of its line's length counts as, and each point that the line passes: about as much as
covering a bar that is as long as a letter is wide."""

LEADER_PIECES = 12
"""Boxes that stand for the line of a label, end to end: of a line of four lines of text none is larger than a letter."""


@dataclass(frozen=True)
class Spot:
    """Where a label's box stands; ``needs_leader`` where only a line tells which point it names."""

    box: Box
    needs_leader: bool


class _Near(NamedTuple):
    """What lies around a point: boxes taken [scales, n, 4], which of them are points, and the place of its own."""

    taken: Array
    is_point: Array
    own: int


class LabelGround:
    """What labels must keep off, at the frame's own width and stretched: boxes [scales, boxes, 4]."""

    def __init__(self, anchors: Array, obstacles: Array, frame: Box, gap: float, stretch: float) -> None:
        self.anchors, self._frame, self._gap = anchors, frame, gap
        self._scales = np.array([1.0] if stretch <= 1 else [1.0, stretch])
        half = np.array([-gap, -gap, gap, gap]) / 2
        self._taken = self._at(anchors) + half  # [scales, anchors and labels placed, 4]
        middles = (obstacles[:, :2] + obstacles[:, 2:]) / 2
        sides = obstacles - np.tile(middles, 2)
        self._lines = np.stack([np.tile(self._moved(middles, s), 2) + sides * [s, 1, s, 1] for s in self._scales])

    def best(self, index: int, size: tuple[float, float], reach: float) -> Spot | None:
        """Return the free spot that covers least, the nearer and earlier one of equals; None where none is free.

        ``reach`` is the largest of ``STEPS`` that the label may take.
        """
        tries = np.array([(angle, step) for step in STEPS if step <= reach for angle in ANGLES])
        boxes = self._at(self.anchors[index : index + 1]) + _around(size, tries, self._gap)  # [scales, tries, 4]
        near = self._near(index, boxes, self._gap * reach)
        kept, steps = np.flatnonzero(self._is_free(boxes, near)), tries[:, 1]
        leaders = _needs_leader(boxes[:, kept], near, steps[kept])
        met = np.zeros((len(kept), 2), int)  # by the line of each: labels and lines, and other points
        met[leaders] = self._met_by_line(index, boxes[:, kept[leaders]], near)
        kept, leaders, passed = (some[met[:, 0] == 0] for some in (kept, leaders, met[:, 1]))
        if not len(kept):
            return None
        boxes = boxes[:, kept]
        covered = np.mean([_shared(at, lines).sum(1) for at, lines in zip(boxes, self._lines)], axis=0)
        length = np.where(leaders, steps[kept], 0)
        cost = covered + LEADER_COST * size[0] * size[1] * (length + passed)
        place = int(cost.round(6).argmin())  # equal costs differ in their last digits
        left, bottom, right, top = map(float, boxes[0, place])
        return Spot((left, bottom, right, top), bool(leaders[place]))

    def take(self, index: int, spot: Spot) -> None:
        """Keep later labels and their lines off a label and its line."""
        anchor = self.anchors[index : index + 1]
        around = (np.array(spot.box) - np.tile(anchor[0], 2))[None]
        if spot.needs_leader:
            around = np.concatenate([around, _pieces(around)[0]])
        self._taken = np.concatenate([self._taken, self._at(anchor) + around], axis=1)

    def _at(self, points: Array) -> Array:
        """Return points [n, 2] as boxes without extent [scales, n, 4]."""
        return np.stack([np.tile(self._moved(points, scale), 2) for scale in self._scales])

    def _moved(self, points: Array, scale: float) -> Array:
        left = self._frame[0]
        return np.stack([left + scale * (points[:, 0] - left), points[:, 1]], axis=1)

    def _near(self, index: int, boxes: Array, reach: float) -> _Near:
        """Return what boxes [scales, tries, 4] and the lines to their point may meet or be nearer to than to their point.

        A box is no farther from its point than ``reach``, nor from one that it is nearer to.
        """
        hull = np.concatenate([boxes[..., :2].min(1) - reach, boxes[..., 2:].max(1) + reach], axis=-1)[:, None]
        places = np.flatnonzero(~_apart(hull, self._taken)[0])
        return _Near(self._taken[:, places], places < len(self.anchors), int(np.searchsorted(places, index)))

    def _is_free(self, boxes: Array, near: _Near) -> Array:
        """Return which boxes [scales, tries, 4] lie inside the frame and off everything taken, at both ends of the stretch.

        Between the ends, a box that stays on one side of another at both stays there, since all moves evenly.
        """
        left, bottom, right, top = self._frame
        rights = left + self._scales * (right - left)
        inside = (boxes[..., 0] >= left).all(0) & (boxes[..., 2] <= rights[:, None]).all(0)
        inside &= (boxes[0, :, 1] >= bottom) & (boxes[0, :, 3] <= top)
        return np.asarray(inside & _apart(boxes, near.taken).all(1))

    def _met_by_line(self, index: int, boxes: Array, near: _Near) -> Array:
        """Return how many labels and lines, and other points, the lines of boxes [scales, tries, 4] meet [tries, 2]."""
        anchor = self._at(self.anchors[index : index + 1])  # [scales, 1, 4]
        pieces = _pieces(boxes[0] - anchor[0])  # [tries, pieces, 4], from the anchor, at each scale the same
        meets = ~_apart(anchor + pieces.reshape(-1, 4), near.taken)
        of_each = np.asarray(meets.reshape(*pieces.shape[:2], near.taken.shape[1]).any(1))  # [tries, taken]
        points = of_each[:, near.is_point].sum(1) - of_each[:, near.own]
        return np.stack([of_each[:, ~near.is_point].sum(1), points], axis=1)


def _needs_leader(boxes: Array, near: _Near, steps: Array) -> Array:
    """Return which boxes [scales, tries, 4] are far from their point or nearer to another one, at any scale."""
    needs = steps >= LEADER_FROM
    close = np.flatnonzero(~needs)
    for marks, at in zip(near.taken[:, near.is_point], boxes[:, close]):
        points = (marks[:, :2] + marks[:, 2:]) / 2
        gaps = np.maximum(np.maximum(at[:, None, :2] - points, points - at[:, None, 2:]), 0)  # [close, points, 2]
        distances = np.hypot(gaps[..., 0], gaps[..., 1])
        needs[close] |= distances.min(1) < distances[:, near.own]
    return np.asarray(needs)


def _apart(ours: Array, theirs: Array) -> Array:
    """Return whether boxes [scales, n, 4] and [scales, m, 4] have nothing in common at any scale: [n, m].

    A frame that is drawn wider keeps its height, so that the upright sides are the same at each scale.
    """
    left, bottom, right, top = (np.ascontiguousarray(side)[..., None] for side in np.moveaxis(ours, -1, 0))
    lefts, bottoms, rights, tops = (np.ascontiguousarray(side)[:, None] for side in np.moveaxis(theirs, -1, 0))
    apart = (top[0] <= bottoms[0]) | (bottom[0] >= tops[0])
    apart |= np.logical_and.reduce(right <= lefts)
    apart |= np.logical_and.reduce(left >= rights)
    return np.asarray(apart)


def _pieces(boxes: Array) -> Array:
    """Return the lines from the origin to the nearest places of boxes [n, 4], as boxes end to end [n, pieces, 4]."""
    ends = np.clip(0.0, boxes[:, :2], boxes[:, 2:])  # [n, 2]
    along = np.linspace(0, 1, LEADER_PIECES + 1)[:, None] * ends[:, None]  # [n, pieces + 1, 2]
    return np.concatenate([np.minimum(along[:, :-1], along[:, 1:]), np.maximum(along[:, :-1], along[:, 1:])], axis=-1)


def _shared(a: Array, b: Array) -> Array:
    """Return the areas [n, m] that boxes [n, 4] and [m, 4] share."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    return np.asarray(np.maximum(high - low, 0).prod(-1))


def _around(size: tuple[float, float], tries: Array, gap: float) -> Array:
    """Return boxes [tries, 4] of a size from the origin: each touches the circle of ``step`` gaps in its direction.

    ``tries`` are (angle, step) [tries, 2].
    """
    towards = np.stack([np.cos(tries[:, 0]), np.sin(tries[:, 0])], axis=1)  # [tries, 2]
    sides = np.sign(np.where(np.abs(towards) < 1e-9, 0.0, towards))
    low = gap * tries[:, 1:] * towards - np.array(size) * (1 - sides) / 2
    return np.concatenate([low, low + np.array(size)], axis=1)
