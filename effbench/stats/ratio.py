"""The speed-up of a method over the reference: one ratio a round, their geometric mean, a t interval on the logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval
from effbench.stats.inputs import check_level

LEAST_ROUNDS = 3
"""Two rounds have one degree of freedom: t is 12.7 at 95 %, an interval that says nothing."""


class Ratio(NamedTuple):
    """Geometric mean of per-round ratios; ``interval`` is None below three rounds and where all ratios are the same."""

    value: float
    interval: Interval | None
    rounds: int


def t_interval(values: Array, level: float) -> Interval:
    """Return Student's t interval of the mean of ``values`` [n], n of at least 2; of width zero where they all agree."""
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, len(values) - 1)) * values.std(ddof=1) / np.sqrt(len(values))
    return Interval(float(values.mean() - half), float(values.mean() + half))


def geometric_mean_ratio(reference: Sequence[float], method: Sequence[float], level: float) -> Ratio:
    """Return reference / method for paired positive per-round times, with df = rounds - 1.

    Ratios that agree to the last digit come from a clock too coarse to show how rounds vary: no interval.
    Raises ``ValueError`` where the lengths differ, there is no round, or a time is not positive and finite.
    """
    check_level(level)
    a, b = np.asarray(reference, np.float64), np.asarray(method, np.float64)
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"need the same number of rounds on both sides, got {len(a)} and {len(b)}")
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (a > 0).all() and (b > 0).all()):
        raise ValueError("times must be positive and finite")
    logs = np.log(a / b)
    value = float(np.exp(logs.mean()))
    if len(logs) < LEAST_ROUNDS or np.ptp(logs) <= 4 * np.finfo(float).eps * max(1.0, np.abs(logs).max()):
        return Ratio(value, None, len(logs))
    low, high = np.exp(t_interval(logs, level))
    return Ratio(value, Interval(float(low), float(high)), len(logs))
