"""What a detector reaches on held-out frames, for the curve while it trains and for its card."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.lidar.ap.curves import ApCurves
from effbench.lidar.ap.matching import count_frame
from effbench.lidar.ap.rules import LOOSE_IOU, STRICT_IOU, ApRule
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.frames import CLASSES, Detections, Frame


def rules() -> dict[str, ApRule]:
    """Return the numbers of a card by name: every class and difficulty in space, and looser or from above at moderate."""
    strict = {
        f"{name} {level}": ApRule(name, "3d", STRICT_IOU[name], level)
        for name in CLASSES
        for level in ("easy", "moderate", "hard")
    }
    loose = {f"{name} moderate, IoU {LOOSE_IOU[name]}": ApRule(name, "3d", LOOSE_IOU[name]) for name in CLASSES}
    above = {f"{name} moderate, BEV": ApRule(name, "bev", STRICT_IOU[name]) for name in CLASSES}
    return strict | loose | above


def average_precisions(
    frames: Sequence[Frame], found: Sequence[Detections], asked: dict[str, ApRule] | None = None
) -> dict[str, float]:
    """Return the average precision (R40, percent) of every rule; NaN without a valid truth."""
    asked = rules() if asked is None else asked
    counts = [count_frame(list(asked.values()), frame, own) for frame, own in zip(frames, found, strict=True)]
    reached = ApCurves(counts).values(np.ones(len(frames))).r40
    return dict(zip(asked, (float(value) for value in reached)))


def judged(detector: LidarDetector, frames: Sequence[Frame]) -> dict[str, float]:
    """Return the average precisions of a detector on frames."""
    return average_precisions(frames, detector.eval().detect(frames))
