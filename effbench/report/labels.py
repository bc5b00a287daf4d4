"""Deterministic placement of point labels: a free spot near each point, the most important and most crowded point first.

A label that finds no free spot is left out: one name fewer can be looked up in the table, two on top of each other are lost.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.arrays import Array
from effbench.report.label_ground import STEPS, Box, LabelGround, Spot


def place_labels(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float] | None],
    obstacles: Sequence[Box],
    frame: Box,
    gap: float,
    *,
    ranks: Sequence[int] | None = None,
    farthest: Sequence[float] = (),
    stretch: float = 1.0,
) -> tuple[Spot | None, ...]:
    """Return a spot for each label of a given (width, height) near its anchor, all in pixels; None of a size has no label.

    A spot lies inside ``frame`` and off every anchor, every other label and its line, and its own line off other labels and
    their lines; of those the one is taken that covers least of the obstacles, which a label may cross where it must, and
    whose line passes fewest other anchors. A label without such a spot is left out (None). Labels of lower ``ranks`` are
    placed first, within one rank those of the most crowded points; ``farthest`` is the largest of ``STEPS`` that a label of
    each rank may take.

    ``stretch``: the spots stay free while the frame is drawn wider, up to so many times, anchors and obstacles moving apart
    with it and each label keeping its distance in pixels from its own anchor. The boxes returned are those of ``frame``.
    """
    if not anchors:
        return ()
    ground = LabelGround(np.array(anchors, float), np.array(obstacles, float).reshape(-1, 4), frame, gap, stretch)
    wanted = [index for index, size in enumerate(sizes) if size is not None]
    crowds = {index: _crowd(ground.anchors, index, gap) for index in wanted}
    order = sorted(wanted, key=lambda i: (ranks[i] if ranks is not None else 0, -crowds[i], i))
    spots: dict[int, Spot] = {}
    for index in order:
        size = sizes[index]
        rank = ranks[index] if ranks is not None else 0
        reach = farthest[rank] if farthest else STEPS[-1]
        spot = ground.best(index, size, reach) if size is not None else None
        if spot is not None:
            spots[index] = spot
            ground.take(index, spot)
    return tuple(spots.get(index) for index in range(len(anchors)))


def overlap(a: Box, b: Box) -> float:
    """Return the area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _crowd(anchors: Array, index: int, gap: float) -> float:
    """Return how crowded a point is: the sum of 1 / (gap + distance) over all points."""
    return float((1 / (gap + np.hypot(*(anchors - anchors[index]).T))).sum())
