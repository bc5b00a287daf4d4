"""KITTI's average precision as its rules read, one frame and one threshold after another: slow, and what the fast is held to.

It shares with the fast one what a truth and a detection are (``rules``) and how much boxes overlap, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.lidar.ap.matching import frame_overlaps
from effbench.lidar.ap.rules import (
    IGNORED,
    VALID,
    ApRule,
    detection_states,
    excused,
    truth_states,
)
from effbench.lidar.camera import kitti_like
from effbench.lidar.frames import Detections, Frame

_Pair = tuple[Frame, Detections]


def slow_average_precision(rule: ApRule, pairs: Sequence[_Pair]) -> dict[str, float] | None:
    """Return ``r40``, ``r11`` and ``area`` in percent of frames with their detections; None without a valid truth."""
    truths = sum(int((truth_states(rule, frame) == VALID).sum()) for frame, _ in pairs)
    if not truths:
        return None
    hits = sorted((score for pair in pairs for score in _matched(rule, pair, None)[0]), reverse=True)
    thresholds, wanted = [], 0.0
    for i, score in enumerate(hits):
        recall, following = (i + 1) / truths, (i + 2) / truths
        if following - wanted < wanted - recall and i + 1 < len(hits):
            continue
        thresholds.append(score)
        wanted += 1 / 40
    points = [_point(rule, pairs, threshold) for threshold in thresholds]
    precisions = [found / (found + false) if found else 0.0 for found, false in points] + [0.0] * (41 - len(points))
    monotone = [max(precisions[place:]) for place in range(41)]
    return {
        "r40": 100 * sum(monotone[1:]) / 40,
        "r11": 100 * sum(monotone[::4]) / 11,
        "area": 100 * _area(rule, pairs, truths),
    }


def _area(rule: ApRule, pairs: Sequence[_Pair], truths: int) -> float:
    """Return the sum over distinct scores, best first, of the growth of recall times the precision there."""
    area, before = 0.0, 0
    for score in sorted({float(score) for _, found in pairs for score in found.scores}, reverse=True):
        found, false = _point(rule, pairs, score)
        if found != before:
            area += (found - before) / truths * found / (found + false)
        before = found
    return area


def _point(rule: ApRule, pairs: Sequence[_Pair], threshold: float) -> tuple[int, int]:
    """Return found and false ones of all frames at a threshold."""
    found = false = 0
    for pair in pairs:
        hits, wrong = _matched(rule, pair, threshold)
        found, false = found + len(hits), false + wrong
    return found, false


def _matched(rule: ApRule, pair: _Pair, threshold: float | None) -> tuple[list[float], int]:
    """Return the scores that found valid truths, and the number of false ones; without a threshold, by the first matching."""
    frame, found = pair
    seen = kitti_like().picture_boxes(found.boxes)[0]
    shared = frame_overlaps(frame, found, seen)[rule.view]
    states, kinds = truth_states(rule, frame), detection_states(rule, found, seen)
    asked = [k for k in range(len(kinds)) if kinds[k] in (VALID, IGNORED)]
    if threshold is not None:
        asked = [k for k in asked if found.scores[k] >= threshold]
    hits, taken = [], set()
    for m, state in enumerate(states):
        if state not in (VALID, IGNORED):
            continue
        near = [k for k in asked if k not in taken and shared[k, m] > rule.min_iou]
        if threshold is None:
            best = max(near, key=lambda k: found.scores[k], default=None)
        else:
            valid = [k for k in near if kinds[k] == VALID]
            best = max(valid, key=lambda k: shared[k, m]) if valid else next(iter(near), None)
        if best is None:
            continue
        taken.add(best)
        if state == VALID and kinds[best] == VALID:
            hits.append(float(found.scores[best]))
    free = excused(rule, frame, found, seen)
    false = sum(1 for k in asked if k not in taken and kinds[k] == VALID and not np.bool_(free[k]))
    return hits, false
