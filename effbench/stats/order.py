"""Quantiles of raw timings with intervals from order statistics: no assumption about their distribution."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval
from effbench.stats.inputs import check_level, finite, positive_rounds
from effbench.stats.ratio import LEAST_ROUNDS, t_interval

LEAST_SAMPLES = {50: 1, 90: 29, 95: 59, 99: 299}
"""Below this many samples a percentile is not reported: its 95 % one-sided bound would lie beyond the largest sample."""


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the percentile of the values (linear interpolation); raise ``ValueError`` for none or a NaN among them."""
    array = finite(values, "the values")
    if len(array) == 0:
        raise ValueError("a percentile needs at least one value")
    return float(np.percentile(array, percent))


def quantile_interval(values: Sequence[float], percent: int, level: float) -> Interval | None:
    """Return the interval between order statistics that covers the percentile with at least ``level`` confidence.

    None where so few values cannot give that confidence (a median at 95 % needs six). The values must be independent:
    calls of one process are not samples of another, see ``clustered_quantile_interval``.
    """
    ordered = np.sort(finite(values, "the values"))
    ranks = _ranks(len(ordered), percent, level)
    return Interval(float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1])) if ranks else None


@lru_cache(maxsize=1024)
def _ranks(n: int, percent: int, level: float) -> tuple[int, int] | None:
    """Return the ranks (from 1) whose order statistics are the interval's ends, or None where n does not reach."""
    from scipy.stats import binom

    check_level(level)
    if not 0 < percent < 100:
        raise ValueError(f"a percentile lies between 0 and 100, got {percent}")
    if n == 0:
        return None
    p = percent / 100
    low = int(binom.ppf((1 - level) / 2, n, p))  # largest rank with at most the tail below it
    while low > 0 and binom.cdf(low - 1, n, p) > (1 - level) / 2:
        low -= 1
    high = int(binom.ppf((1 + level) / 2, n, p)) + 1
    return (low, high) if low >= 1 and high <= n else None


def clustered_quantile_interval(
    rounds: Sequence[Sequence[float] | Array], percent: int, level: float
) -> Interval | None:
    """Return the interval of a percentile of times that come in rounds (fresh processes) which differ from each other.

    After Woodruff (1952, JASA 47, 635-646): the share of each round's calls below the pooled quantile varies between
    rounds; p -+ t_{rounds - 1} s / sqrt(rounds) on the scale of shares is read off the pooled order statistics. Every
    round weighs the same, however many calls it holds, because a round, not a call, is the independent sample. The
    interval is never narrower than ``quantile_interval`` of all calls.

    Where an end of the shares falls outside (0, 1), the order statistics do not reach (with three rounds that differ as
    much as their calls do, nearly always). A median then takes, on either side, the further of the extreme call and the end
    of a t interval on the logarithms of the rounds' medians, which assumes that these scatter symmetrically. For any other
    percentile the answer is None, never the interval of ``quantile_interval``, which would be far too narrow; what is given
    then still covers less than the level (a p90 over 8 such rounds: a third have an interval, 86 to 89 % of these hold).

    Where calls run on several items, the percentile is that of these items together: every round times them, so that what
    they differ by is no error of it, and the interval says nothing of other items (a ratio's does, ``stats.items``).

    None below three rounds, and where ``quantile_interval`` of all calls is None. The coverage of the median's interval is
    at least nominal, and up to 99 % where rounds do not differ (``effbench.selfcheck.coverage`` lists it).
    Raises ``ValueError`` for an empty round and for times that are not positive and finite.
    """
    check_level(level)
    times = positive_rounds(rounds, "the times")
    if len(times) < LEAST_ROUNDS:
        return None
    pooled = np.concatenate(times)
    iid = quantile_interval(pooled.tolist(), percent, level)
    if iid is None:
        return None
    from scipy.stats import t

    order = np.argsort(pooled, kind="stable")
    ordered = pooled[order]
    below = np.cumsum(np.concatenate([np.full(len(r), 1 / (len(r) * len(times))) for r in times])[order])  # [calls]
    centre = (_at(ordered, below, percent / 100 - 1e-9) + _at(ordered, below, percent / 100 + 1e-9)) / 2
    shares = np.array([((r < centre).mean() + (r <= centre).mean()) / 2 for r in times])  # [rounds]
    half = float(t.ppf((1 + level) / 2, len(times) - 1)) * shares.std(ddof=1) / np.sqrt(len(times))
    ends = percent / 100 - half, percent / 100 + half
    if ends[0] > 0 and ends[1] < 1:
        low, high = _at(ordered, below, ends[0] - 1e-9), _at(ordered, below, ends[1] + 1e-9)
    elif percent == 50:
        medians = t_interval(np.log([np.median(r) for r in times]), level)
        low, high = min(ordered[0], np.exp(medians.low)), max(ordered[-1], np.exp(medians.high))
    else:
        return None
    return Interval(float(min(low, iid.low)), float(max(high, iid.high)))


def _at(ordered: Array, below: Array, share: float) -> float:
    """Return the smallest value with at least ``share`` of the weight at or below it."""
    return float(ordered[min(int(np.searchsorted(below, share)), len(ordered) - 1)])
