"""Average precision against the overlap that is asked for: what a voxel size, or a filter, costs in the fit of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.arrays import Array
from effbench.lidar.ap.curves import ApCurves, AveragePrecision
from effbench.lidar.ap.matching import count_frame
from effbench.lidar.ap.rules import ApRule, View
from effbench.lidar.frames import CLASSES, Detections, Frame

OVERLAPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""From boxes that barely meet to ones that labels themselves hardly agree on; KITTI asks for 0.7 of cars, 0.5 of others."""


def over_iou(
    pairs: Sequence[tuple[Frame, Detections]],
    class_name: str,
    view: View = "3d",
    overlaps: Sequence[float] = OVERLAPS,
    difficulty: str = "moderate",
    weights: Array | None = None,
    names: Sequence[str] = CLASSES,
) -> AveragePrecision:
    """Return what frames with their detections reach at each overlap: float64 [overlaps] each, NaN without a valid truth."""
    rules = [ApRule(class_name, view, limit, difficulty) for limit in overlaps]
    curves = ApCurves([count_frame(rules, frame, found, names) for frame, found in pairs])
    return curves.values(np.ones(len(pairs)) if weights is None else weights)
