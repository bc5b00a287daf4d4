"""Detections of one frame against its truths, once for all thresholds: what a curve under any weights is made of.

KITTI matches twice. First, whatever the score: each truth in turn takes the detection of the highest score that overlaps it
enough and is free; the scores of those found are what thresholds are chosen from. Then, at each threshold: each truth takes
the detection of the highest overlap among those at least as sure, and valid detections that are left are false. The second
result depends, within a frame, only on how many of its detections reach the threshold. So it is found here for each
such number; which thresholds are chosen, which depends on the other frames and on their weights, is asked later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.lidar.ap.rules import (
    ApRule,
    View,
    area,
    detection_states,
    excused,
    shared_area,
    truth_states,
)
from effbench.lidar.boxes import overlaps
from effbench.lidar.camera import kitti_like
from effbench.lidar.frames import CLASSES, Detections, Frame


class FrameCounts(NamedTuple):
    """What one frame gives to R rules.

    Args:
        truths: float64 ``[R]``: valid truths.
        hits: float64 ``[H, 2]``: rule and score of each detection that the first matching found a valid truth with.
        steps: float64 ``[S, 4]``: rule, score, and by how much found and false ones grow in the second matching once
            detections of this score count too.
    """

    truths: Array
    hits: Array
    steps: Array


def count_frame(
    rules: Sequence[ApRule],
    frame: Frame,
    found: Detections,
    names: Sequence[str] = CLASSES,
    image_boxes: Array | None = None,
) -> FrameCounts:
    """Match a frame by every rule.

    Args:
        rules: R of them.
        frame: with its truths; its points are not looked at.
        found: detections, whose order decides between equal ones.
        names: what the detections' labels are positions in.
        image_boxes: float64 ``[K, 4]``, the detections in the picture (left, top, right, bottom; pixels), whose heights count
            and which the view ``image`` compares. By default as KITTI's camera would see the boxes.
    """
    if image_boxes is None:
        image_boxes = kitti_like().picture_boxes(found.boxes)[0]
    views = frame_overlaps(frame, found, image_boxes)
    scores = np.ascontiguousarray(found.scores, np.float64)
    truths, hits, steps = np.zeros(len(rules)), [np.zeros((0, 2))], [np.zeros((0, 4))]
    for number, rule in enumerate(rules):
        states, kinds = truth_states(rule, frame), detection_states(rule, found, image_boxes, names)
        truths[number] = (states == 0).sum()
        chosen, free = np.flatnonzero(kinds >= 0), excused(rule, frame, found, image_boxes)
        asked = np.flatnonzero(states >= 0)
        shared = np.ascontiguousarray(views[rule.view][np.ix_(chosen, asked)])
        own = (shared, scores[chosen], states[asked], kinds[chosen])
        hit = _first_matching(*own, rule.min_iou)
        step = _second_matchings(*own, free[chosen], rule.min_iou, np.unique(own[1])[::-1].copy())
        hits.append(np.column_stack([np.full(len(hit), float(number)), hit]))
        steps.append(np.column_stack([np.full(len(step), float(number)), step]))
    return FrameCounts(truths, np.concatenate(hits), np.concatenate(steps))


def frame_overlaps(frame: Frame, found: Detections, image_boxes: Array) -> dict[View, Array]:
    """Return by view how much detections and truths of a frame overlap: intersection over union [K, M]."""
    bev, volume = overlaps(found.boxes, frame.boxes)
    common = shared_area(image_boxes, frame.image_boxes)
    union = area(image_boxes)[:, None] + area(frame.image_boxes)[None] - common
    return {"bev": bev, "3d": volume, "image": common / np.maximum(union, 1e-9)}


@njit(cache=True)
def _first_matching(shared: Array, scores: Array, truths: Array, kinds: Array, min_iou: float) -> Array:
    """Return the scores of valid detections that found a valid truth; shared [K, M], scores and kinds [K], truths [M]."""
    hits, count = np.empty(len(truths)), 0
    taken = np.zeros(len(scores), np.bool_)
    for m in range(len(truths)):
        best = -1
        for k in range(len(scores)):
            if not taken[k] and shared[k, m] > min_iou and (best < 0 or scores[k] > scores[best]):
                best = k
        if best >= 0:
            taken[best] = True
            if truths[m] == 0 and kinds[best] == 0:
                hits[count] = scores[best]
                count += 1
    return hits[:count]


@njit(cache=True)
def _second_matchings(
    shared: Array, scores: Array, truths: Array, kinds: Array, free: Array, min_iou: float, thresholds: Array
) -> Array:
    """Return per threshold, in their order, it and the growth of found and of false ones [S, 3]; no growth, no row."""
    steps, count = np.empty((len(thresholds), 3)), 0
    before = (0, 0)
    for threshold in thresholds:
        now = _second_matching(shared, scores, truths, kinds, free, min_iou, threshold)
        if now != before:
            steps[count, 0], steps[count, 1], steps[count, 2] = threshold, now[0] - before[0], now[1] - before[1]
            count += 1
            before = now
    return steps[:count]


@njit(cache=True)
def _second_matching(
    shared: Array, scores: Array, truths: Array, kinds: Array, free: Array, min_iou: float, threshold: float
) -> tuple[int, int]:
    """Return how many truths are found and how many detections are false among those of at least the threshold's score."""
    taken, found = np.zeros(len(scores), np.bool_), 0
    for m in range(len(truths)):
        best = -1
        for k in range(len(scores)):
            if taken[k] or scores[k] < threshold or not shared[k, m] > min_iou:
                continue
            # The highest overlap among valid ones; an ignored one, the first at hand, only where no valid one is there.
            if kinds[k] == 0:
                if best < 0 or kinds[best] != 0 or shared[k, m] > shared[best, m]:
                    best = k
            elif best < 0:
                best = k
        if best >= 0:
            taken[best] = True
            if truths[m] == 0 and kinds[best] == 0:
                found += 1
    false = 0
    for k in range(len(scores)):
        if not taken[k] and kinds[k] == 0 and not free[k] and scores[k] >= threshold:
            false += 1
    return found, false
