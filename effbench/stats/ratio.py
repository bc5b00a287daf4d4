"""The speed-up of a method over the reference: one ratio a round, their geometric mean, a t interval on the logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from effbench.stats.bootstrap import Interval

LEAST_ROUNDS = 3


class Ratio(NamedTuple):
    """Geometric mean of per-round ratios; ``interval`` is None below three rounds."""

    value: float
    interval: Interval | None
    rounds: int


def geometric_mean_ratio(reference: Sequence[float], method: Sequence[float], level: float) -> Ratio:
    """Return reference / method for paired positive per-round times, with df = rounds - 1.

    Raises ``ValueError`` where the lengths differ, there is no round, or a time is not positive and finite.
    """
    a, b = np.asarray(reference, np.float64), np.asarray(method, np.float64)
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"need the same number of rounds on both sides, got {len(a)} and {len(b)}")
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (a > 0).all() and (b > 0).all()):
        raise ValueError("times must be positive and finite")
    logs = np.log(a / b)
    value = float(np.exp(logs.mean()))
    if len(logs) < LEAST_ROUNDS:
        return Ratio(value, None, len(logs))
    from scipy.stats import t

    half = float(t.ppf((1 + level) / 2, len(logs) - 1)) * logs.std(ddof=1) / np.sqrt(len(logs))
    return Ratio(value, Interval(float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))), len(logs))
