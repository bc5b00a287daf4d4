"""Average precision of many frames under weights: how often a bootstrap took each frame, or numbers proportional to that.

KITTI's: thresholds are scores of found truths, chosen so that recall grows by a fortieth from each to the next, one per
found truth at most; the precision at each, made monotone from the right, is averaged over 40 (R40, without recall 0) or over
11 of the 41 places (R11), those never reached counting 0. So even a perfect detector needs 41 truths to score 100: a sum
of small sets is biased down. Beside it stands the plain area under the curve of every distinct score, in which nothing
is interpolated: a perfect detector scores 100 there whatever the number of truths, and low recall is not forgiven.

The number of truths matters to KITTI's, weights are relative: the least positive weight of any frame is taken as one frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.lidar.ap.matching import FrameCounts
from effbench.lidar.ap.weights import ROUNDING, copies

PLACES = 41
"""Recalls at which KITTI asks for the precision: 0, 1/40, ..., 1."""


class AveragePrecision(NamedTuple):
    """Average precision of R rules in percent, float64 [R] each, NaN for a rule without a valid truth."""

    r40: Array
    r11: Array
    area: Array


class ApCurves:
    """Frames, matched, in the order in which their weights come."""

    def __init__(self, frames: Sequence[FrameCounts]) -> None:
        rules = len(frames[0].truths) if frames else 0
        self.truths = np.array([frame.truths for frame in frames]).reshape(len(frames), rules)  # [F, R]
        hits = _by_rule([frame.hits for frame in frames], rules)
        steps = _by_rule([frame.steps for frame in frames], rules)
        self._hit_frame, self._hit_first = hits.frame, hits.first
        self._step_frame, self._step_first = steps.frame, steps.first
        self._growth = steps.rows[:, 2:]
        # For each hit: where the steps of its rule end that are at least as sure.
        self._reach = np.empty(len(hits.rows), np.int64)
        for rule in range(rules):
            own, among = slice(*hits.first[rule : rule + 2]), slice(*steps.first[rule : rule + 2])
            ends = np.searchsorted(-steps.rows[among, 1], -hits.rows[own, 1], "right")
            self._reach[own] = ends + steps.first[rule]
        same = (steps.rows[1:, :2] == steps.rows[:-1, :2]).all(1)
        self._is_last = np.append(
            ~same, np.ones(min(1, len(steps.rows)), bool)
        )  # of its score, so that ties count at once

    def values(self, weights: Array) -> AveragePrecision:
        """Return what the frames reach under weights [F], of which only the relation to each other counts."""
        r40, r11, area = _values(
            copies(weights), self.truths, self._hit_frame, self._hit_first, self._reach,
            self._step_frame, self._step_first, self._growth, self._is_last,
        )  # fmt: skip
        return AveragePrecision(r40, r11, area)

    def curve(self, rule: int, weights: Array) -> tuple[Array, Array]:
        """Return recall and precision of a rule after every distinct score, best first: [S] each."""
        own = slice(*self._step_first[rule : rule + 2])
        weight = copies(weights)
        total = np.cumsum(weight[self._step_frame[own], None] * self._growth[own], 0)[self._is_last[own]]
        truths = weight @ self.truths[:, rule]
        with np.errstate(invalid="ignore", divide="ignore"):
            return total[:, 0] / truths, total[:, 0] / total.sum(1)


class _ByRule(NamedTuple):
    rows: Array  # of all frames, by rule and then by falling score
    frame: Array
    first: Array  # [R + 1]


def _by_rule(rows: Sequence[Array], rules: int) -> _ByRule:
    joined = np.concatenate(rows) if rows else np.zeros((0, 4))
    frame = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
    order = np.lexsort((-joined[:, 1], joined[:, 0]))
    first = np.searchsorted(joined[order, 0], np.arange(rules + 1))
    return _ByRule(np.ascontiguousarray(joined[order]), frame[order], first.astype(np.int64))


@njit(cache=True)
def _values(
    weights: Array, truths: Array, hit_frame: Array, hit_first: Array, reach: Array,
    step_frame: Array, step_first: Array, growth: Array, is_last: Array,
) -> tuple[Array, Array, Array]:  # fmt: skip
    rules = truths.shape[1]
    r40, r11, area = np.full(rules, np.nan), np.full(rules, np.nan), np.full(rules, np.nan)
    total = np.zeros((len(step_frame) + 1, 2))
    for rule in range(rules):
        valid = 0.0
        for f in range(len(weights)):
            valid += weights[f] * truths[f, rule]
        if valid <= 0:
            continue
        first = step_first[rule]
        found = false = before = covered = 0.0
        total[first, 0] = total[first, 1] = 0.0
        for s in range(first, step_first[rule + 1]):
            found += weights[step_frame[s]] * growth[s, 0]
            false += weights[step_frame[s]] * growth[s, 1]
            total[s + 1, 0], total[s + 1, 1] = found, false
            if is_last[s] and found != before:
                covered += (found - before) * found / (found + false)
                before = found
        area[rule] = 100 * covered / valid
        precision = np.zeros(PLACES)
        _precisions(weights, valid, hit_frame, hit_first[rule], hit_first[rule + 1], reach, total, precision)
        best = 0.0
        for place in range(PLACES - 1, -1, -1):
            best = max(best, precision[place])
            precision[place] = best
        r40[rule] = 100 * precision[1:].sum() / (PLACES - 1)
        r11[rule] = 100 * precision[::4].sum() / 11
    return r40, r11, area


@njit(cache=True)
def _precisions(
    weights: Array, valid: float, hit_frame: Array, first: int, end: int, reach: Array, total: Array, precision: Array
) -> None:
    """Fill in the precision at KITTI's thresholds, one per place, as far as there are found truths for them.

    Found truths are numbered 1, 2, ... by falling score, each as often as its frame counts. One is passed over where the
    recall after the next lies nearer to the one that is looked for; the last never is.
    """
    everything = 0.0
    for h in range(first, end):
        everything += weights[hit_frame[h]]
    place, number, recall, hit, counted = 0, 0.0, 0.0, first, 0.0
    while place < PLACES and number < everything - ROUNDING:
        number = max(number + 1, np.floor(valid * recall - 0.5) - 1)
        while number < everything - ROUNDING and (number + 1) / valid - recall < recall - number / valid:
            number += 1
        number = min(number, everything)
        while hit < end and counted + weights[hit_frame[hit]] < number - ROUNDING:
            counted += weights[hit_frame[hit]]
            hit += 1
        found, false = total[reach[min(hit, end - 1)]]
        precision[place] = found / (found + false) if found > 0 else 0.0
        place += 1
        recall += 1 / (PLACES - 1)
