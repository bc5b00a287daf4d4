"""Frames turned, mirrored and scaled a little, so that few of them teach more."""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array

TURN_RAD = 0.15
"""Largest turn about the sensor. KITTI's recipes turn by 0.785 rad; a quarter of a circle in view allows less."""
SCALE = 0.05
"""Largest change of scale, as in KITTI's recipes."""


def augmented(points: Array, boxes: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return points [N, 4] and boxes [M, 7] mirrored in y (half of the time), turned about the sensor and scaled."""
    points, boxes = points.copy(), boxes.copy()
    if rng.random() < 0.5:
        points[:, 1] *= -1
        boxes[:, 1] *= -1
        boxes[:, 6] *= -1
    angle, scale = rng.uniform(-TURN_RAD, TURN_RAD), rng.uniform(1 - SCALE, 1 + SCALE)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points[:, :2] = points[:, :2] @ turn.astype(points.dtype)
    boxes[:, :2] = boxes[:, :2] @ turn
    boxes[:, 6] += angle
    points[:, :3] *= scale
    boxes[:, :6] *= scale
    return points, boxes
