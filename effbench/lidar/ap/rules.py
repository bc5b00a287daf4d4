"""What KITTI counts: which truths and which detections are valid, ignored or of no concern to one number.

The rules are those of KITTI's object benchmark (Geiger et al. 2012, CVPR), as evaluators of LiDAR detectors apply them.
A truth is valid if it is of the class and no harder than the difficulty; ignored if too hard or of a neighbour class (a Van
is no Car, but who takes it for one is not punished); all others do not exist for this number. A detection is ignored where it
is too small in the picture, of whatever class it is: KITTI's program and those after it ask for the size first. What matches
something ignored counts neither as found nor as false.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.lidar.frames import CLASSES, Detections, Frame

View = Literal["3d", "bev", "image"]
"""Where boxes are compared: in space, from above, or in the camera's picture."""

VALID, IGNORED, OTHER = 0, 1, -1
"""What a truth or a detection is to a rule; the numbers are ours."""


class Difficulty(NamedTuple):
    """The hardest truth that is asked for; each level of KITTI's holds the easier ones."""

    min_height_px: float
    max_occlusion: int
    max_truncation: float


DIFFICULTIES = {
    "easy": Difficulty(40.0, 0, 0.15),
    "moderate": Difficulty(25.0, 1, 0.30),
    "hard": Difficulty(25.0, 2, 0.50),
}

STRICT_IOU = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
LOOSE_IOU = {"Car": 0.5, "Pedestrian": 0.25, "Cyclist": 0.25}
"""Of the second report that evaluators print, from above and in space; in the picture it is the strict one again."""

NEIGHBOURS = {"Car": "Van", "Pedestrian": "Person_sitting"}


@dataclass(frozen=True)
class ApRule:
    """One number: of a class, a view, the overlap that a detection must exceed, a difficulty, and a range from the sensor.

    Truths outside of ``within`` (metres from the sensor on the ground, the far end excluded) are ignored. A detection
    outside of it may still find a truth inside; alone it is no false one.
    """

    class_name: str
    view: View
    min_iou: float
    difficulty: str = "moderate"
    within: tuple[float, float] = (0.0, math.inf)


def truth_states(rule: ApRule, frame: Frame) -> Array:
    """Return what each truth of a frame is to a rule: int64 [M] of ``VALID``, ``IGNORED``, ``OTHER``."""
    limit = DIFFICULTIES[rule.difficulty]
    too_hard = (
        (frame.height_px <= limit.min_height_px)
        | (frame.occlusion > limit.max_occlusion)
        | (frame.truncation > limit.max_truncation)
        | ~_inside(rule, frame.boxes)
    )
    is_class = np.array([name == rule.class_name for name in frame.classes], bool)
    is_neighbour = np.array([name == NEIGHBOURS.get(rule.class_name) for name in frame.classes], bool)
    return np.where(is_class, np.where(too_hard, IGNORED, VALID), np.where(is_neighbour, IGNORED, OTHER)).astype(
        np.int64
    )


def detection_states(rule: ApRule, found: Detections, image_boxes: Array, names: Sequence[str] = CLASSES) -> Array:
    """Return what each detection is to a rule: int64 [K]; ``image_boxes`` [K, 4] are theirs in the picture, pixels."""
    too_small = image_boxes[:, 3] - image_boxes[:, 1] < DIFFICULTIES[rule.difficulty].min_height_px
    number = names.index(rule.class_name) if rule.class_name in names else -1
    return np.where(too_small, IGNORED, np.where(found.labels == number, VALID, OTHER)).astype(np.int64)


def excused(rule: ApRule, frame: Frame, found: Detections, image_boxes: Array) -> Array:
    """Return which detections are never false ones: bool [K].

    Those out of the rule's range and, in the picture alone, those that a DontCare region of the frame covers by more than
    the overlap that is asked for.
    """
    free = ~_inside(rule, found.boxes)
    if rule.view == "image":
        regions = frame.image_boxes[[name == "DontCare" for name in frame.classes]]
        covered = shared_area(image_boxes, regions) / np.maximum(area(image_boxes), 1e-9)[:, None]
        free |= (covered > rule.min_iou).any(1)
    return free


def area(image_boxes: Array) -> Array:
    """Return the areas of boxes [n, 4] (left, top, right, bottom) in the picture [n]."""
    found: Array = np.prod(np.maximum(image_boxes[:, 2:] - image_boxes[:, :2], 0.0), axis=1)
    return found


def shared_area(a: Array, b: Array) -> Array:
    """Return the common areas of boxes [n, 4] and [m, 4] in the picture [n, m]."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    found: Array = np.prod(np.maximum(high - low, 0.0), axis=2)
    return found


def _inside(rule: ApRule, boxes: Array) -> Array:
    nearest, farthest = rule.within
    distance = np.hypot(boxes[:, 0], boxes[:, 1])
    inside: Array = (distance >= nearest) & (distance < farthest)
    return inside
