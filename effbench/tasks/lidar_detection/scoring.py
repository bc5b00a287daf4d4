"""From detections to numbers: each frame is matched once, and what comes of it is counted under any weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from effbench.api import Scores, Summariser
from effbench.arrays import Array
from effbench.lidar.ap.rules import LOOSE_IOU
from effbench.lidar.camera import CameraCalibration
from effbench.lidar.cells import CellStates
from effbench.lidar.frames import CLASSES, Detections, Frame
from effbench.tasks.lidar_detection.metrics import (
    CENTRE_CLASSES,
    CENTRE_ERRORS,
    CENTRE_SCORE,
    COUNTED,
    HEADLINE,
    RULES,
    UNKNOWN_ERRORS,
    WELL_SEEN_POINTS,
)

JUDGED_AREA_M = (0.0, -25.6, 51.2, 25.6)
"""Least x, y and largest x, y: what every detector here covers, whatever the data. An object whose centre lies outside is
ignored, as one too hard to see would be. KITTI's moderate level ends at 45 m for a car ahead anyway."""

UNKNOWN_OCCLUSION = 3
"""KITTI's mark of an object of which nobody said how much is seen; it is valid at no difficulty."""

PLACE_NAMES = {"voxels": ("r_inbox_voxels", "dropped_voxel_columns"), "cells": ("r_inbox_cells", "dropped_cells")}
ENOUGH_TRUTHS = 41
"""Below so many truths even a perfect detector stays under 100 by R40 and R11."""


def is_judged(boxes: Array) -> Array:
    """Return which boxes [m, 7] have their centre in ``JUDGED_AREA_M``: bool [m]."""
    low, high = np.array(JUDGED_AREA_M[:2]), np.array(JUDGED_AREA_M[2:])
    inside: Array = np.all((boxes[:, :2] >= low) & (boxes[:, :2] < high), axis=1)
    return inside


def as_judged(frame: Frame) -> Frame:
    """Return the frame as it is judged: an object outside of ``JUDGED_AREA_M`` is one too hard to see, found or not."""
    return replace(frame, occlusion=np.where(is_judged(frame.boxes), frame.occlusion, UNKNOWN_OCCLUSION))


def frame_arrays(frame: Frame, found: Detections, camera: CameraCalibration, names: Sequence[str]) -> dict[str, Array]:
    """Return what a frame gives to the metrics of a whole set, by name."""
    from effbench.lidar.ap.matching import count_frame
    from effbench.lidar.boxes import iou_3d
    from effbench.lidar.nds import NdsBoxes, count_nds

    inside = is_judged(frame.boxes)
    counts = count_frame(RULES, as_judged(frame), found, names, camera.picture_boxes(found.boxes)[0])
    asked = [i for i, name in enumerate(frame.classes) if name in CLASSES and inside[i]]
    truth = NdsBoxes(frame.boxes[asked], [frame.classes[i] for i in asked], points=frame.points_in_box[asked])
    known = [k for k, label in enumerate(found.labels) if names[label] in CENTRE_CLASSES]
    theirs = NdsBoxes(found.boxes[known], [names[found.labels[k]] for k in known], found.scores[known])
    centres = count_nds(truth, theirs, CENTRE_CLASSES)
    shared = iou_3d(found.boxes, frame.boxes)
    seen = [i for i in asked if frame.points_in_box[i] >= WELL_SEEN_POINTS]
    labels = np.array([names[label] for label in found.labels], dtype="U32")
    hit = [bool((shared[labels == frame.classes[i], i] > LOOSE_IOU[frame.classes[i]]).any()) for i in seen]
    return {
        "ap_truths": counts.truths,
        "ap_hits": counts.hits,
        "ap_steps": counts.steps,
        "centre_truths": centres.truths,
        "centre_rows": centres.rows,
        "well_seen": np.array([len(seen), sum(hit)], np.float64),
    }


def frame_scalars(frame: Frame, told: Mapping[str, CellStates]) -> dict[str, float]:
    """Return what was dropped of a frame by metric, NaN where the system told nothing or nothing was there."""
    boxes = frame.boxes[[name in CLASSES for name in frame.classes]]
    found = {}
    for place, (in_boxes, dropped) in PLACE_NAMES.items():
        cells = told.get(place)
        found[in_boxes] = math.nan if cells is None else cells.dropped_in_boxes(boxes)
        found[dropped] = math.nan if cells is None else cells.dropped_share()
    return found


def set_summariser(scores: Scores) -> Summariser:
    """Return the metrics of a whole set: the mean over trainings of what each reaches, whose scores are never compared."""
    training = np.concatenate(scores.arrays["training"]) if scores.arrays["training"] else np.zeros(0)
    rows = [np.flatnonzero(training == one) for one in np.unique(training)]
    trainings = [(own, _one_training(scores, own)) for own in rows]

    def summarise(weights: Array) -> dict[str, float]:
        found = [summary(weights[own]) for own, summary in trainings if weights[own].any()]
        return {
            name: math.fsum(one[name] for one in found) / len(found)
            for name in (found[0] if found else ())
            if all(name in one for one in found)
        }

    return summarise


def _one_training(scores: Scores, rows: Array) -> Summariser:
    from effbench.lidar.ap.curves import ApCurves
    from effbench.lidar.ap.matching import FrameCounts
    from effbench.lidar.nds import NdsCounts, NdsCurves

    def taken(name: str) -> list[Array]:
        return [scores.arrays[name][row] for row in rows]

    curves = ApCurves([FrameCounts(*one) for one in zip(taken("ap_truths"), taken("ap_hits"), taken("ap_steps"))])
    centres = NdsCurves([NdsCounts(*one) for one in zip(taken("centre_truths"), taken("centre_rows"))], CENTRE_CLASSES)
    seen = np.stack(taken("well_seen"))
    places = [(one.name, one.how, RULES.index(one.rule)) for one in COUNTED]

    def summarise(weights: Array) -> dict[str, float]:
        reached = curves.values(weights)._asdict()
        found = {name: float(reached[how][rule]) for name, how, rule in places}
        headline = [found[name] for name in HEADLINE if not math.isnan(found[name])]
        found["map_3d"] = math.fsum(headline) / len(headline) if headline else math.nan
        centred = centres.values(weights)
        found["map_centre"] = 100 * centred.mean_ap
        found[CENTRE_SCORE] = 100 * centred.without(*UNKNOWN_ERRORS)
        found |= {name: centred.errors[error] for name, (error, _, _) in CENTRE_ERRORS.items()}
        well_seen, hit = weights @ seen
        found["recall_50_points"] = hit / well_seen if well_seen > 0 else math.nan
        return {name: float(value) for name, value in found.items() if not math.isnan(value)}

    return summarise


def small_set_remarks(scores: Scores) -> dict[str, list[str]]:
    """Return by metric that too few truths stand behind it for a perfect detector to reach 100."""
    training = np.concatenate(scores.arrays["training"])
    rows = np.flatnonzero(training == training[0])  # the same frames stand in every training
    truths = np.sum([scores.arrays["ap_truths"][int(row)] for row in rows], axis=0)
    said: dict[str, list[str]] = {}
    for one in COUNTED:
        count = int(truths[RULES.index(one.rule)])
        if one.how == "area" or not 0 < count < ENOUGH_TRUTHS:
            continue
        text = f"fewer than {ENOUGH_TRUTHS} objects: by KITTI's rule even a perfect detector stays below 100"
        said[one.name] = [text]
        if one.name in HEADLINE:
            said["map_3d"] = [text]
    return said
