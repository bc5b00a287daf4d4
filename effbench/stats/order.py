"""Quantiles of raw timings with intervals from order statistics: no assumption about their distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.stats.bootstrap import Interval

LEAST_SAMPLES = {50: 1, 90: 29, 95: 59, 99: 299}
"""Below this many samples a percentile is not reported: its 95 % one-sided bound would lie beyond the largest sample."""


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the percentile of the values (linear interpolation)."""
    return float(np.percentile(values, percent))


def quantile_interval(values: Sequence[float], percent: int, level: float) -> Interval | None:
    """Return the interval between order statistics that covers the percentile with at least ``level`` confidence.

    None where so few values cannot give that confidence (a median at 95 % needs six).
    """
    from scipy.stats import binom

    ordered = np.sort(np.asarray(values, np.float64))
    n, p = len(ordered), percent / 100
    if n == 0:
        return None
    low = int(binom.ppf((1 - level) / 2, n, p))  # largest rank with at most the tail below it
    while low > 0 and binom.cdf(low - 1, n, p) > (1 - level) / 2:
        low -= 1
    high = int(binom.ppf((1 + level) / 2, n, p)) + 1
    if low < 1 or high > n:
        return None
    return Interval(float(ordered[low - 1]), float(ordered[high - 1]))
