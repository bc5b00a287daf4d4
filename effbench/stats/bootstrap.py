"""The bootstrap over samples, by weights: a resample is how often each sample was drawn.

Percentile intervals are expanded (Hesterberg 2015, The American Statistician 69, 371-386): the plain percentiles of n
replicates are too close together by sqrt((n - 1) / n) and by the normal in place of Student's t, so the tail read off the
replicates is Phi(-sqrt(n / (n - 1)) t_{n-1}) instead of (1 - level) / 2. No interval is given where even the smallest and the
largest of n samples would not bracket their median with the level's confidence, 1 - 2^(1 - n); at 95 % that is n < 6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.stats.crossed import training_of_mean, widened
from effbench.stats.inputs import check_level, check_resamples, finite

_CHUNK = 1 << 21
"""Drawn indices held at once (16 MB of them)."""


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


def least_clusters(level: float) -> int:
    """Return the smallest n with 2^(1 - n) <= 1 - level: below it neither an interval nor a sign test can reach the level."""
    check_level(level)
    n = 1
    while 2.0 ** (1 - n) > 1 - level + 1e-12:
        n += 1
    return n


@lru_cache(maxsize=256)
def _tail(level: float, clusters: int) -> float:
    """Return the expanded lower tail; see the module's docstring. Never 0, so that 1 - tail is below 1."""
    from scipy.stats import norm, t

    reach = np.sqrt(clusters / (clusters - 1)) * t.ppf((1 + level) / 2, clusters - 1)
    return max(float(norm.cdf(-reach)), 1e-15)


def interval_of(replicates: Array, level: float, clusters: int) -> Interval | None:
    """Return the expanded percentile interval of bootstrap ``replicates`` [resamples] of ``clusters`` independent samples.

    None below ``least_clusters(level)``, and where over a hundredth of the replicates is not finite (the rest is left out).
    Draws that all agree (the distance of the reference to itself) give an interval of width zero.
    """
    check_level(level)
    finite = np.asarray(replicates, np.float64)[np.isfinite(replicates)]
    if clusters < least_clusters(level) or len(finite) == 0 or len(finite) < 0.99 * len(replicates):
        return None
    tail = _tail(level, clusters)
    low, high = np.quantile(finite, [tail, 1 - tail], method="weibull")
    return Interval(float(low), float(high))


def cluster_weights(clusters: Sequence[str], resamples: int, seed: int) -> Iterator[Array]:
    """Yield ``resamples`` weight vectors [n]: whole clusters (all seeds of a prompt) are drawn with replacement.

    The replicates depend on the number of clusters and the seed only, so that methods which ran on the same samples are
    resampled alike.
    """
    names, rows = np.unique(np.asarray(clusters), return_inverse=True)  # rows [n] -> cluster
    generator = np.random.default_rng(seed)
    probability = np.full(len(names), 1 / max(len(names), 1))
    for _ in range(resamples):
        yield generator.multinomial(len(names), probability)[rows].astype(np.float64)


def bootstrap_replicates(
    summarise: Callable[[Array], Mapping[str, float]], clusters: Sequence[str], resamples: int, seed: int = 0
) -> dict[str, Array]:
    """Return name -> its value on every resample [resamples], NaN where ``summarise(weights)`` does not give it.

    Empty below two clusters: every resample would be the data.
    """
    check_resamples(resamples)
    if len(set(clusters)) < 2:
        return {}
    replicates: dict[str, Array] = {}
    for row, weights in enumerate(cluster_weights(clusters, resamples, seed)):
        for name, value in summarise(weights).items():
            if name not in replicates:
                replicates[name] = np.full(resamples, np.nan)
            replicates[name][row] = value
    return replicates


def centred(replicates: Array, value: float, is_nonnegative: bool) -> Array:
    """Return bootstrap replicates moved so that their centre is the value measured; NaN stays NaN.

    A resample holds fewer distinct samples than the data, which shifts a distance between distributions upwards in every
    replicate alike. A value that may be anything is moved by a difference of means. One that cannot be below zero is moved on
    the scale of its square root, where such a distance scatters evenly, and what would fall below zero becomes zero: moved
    as it is, half of the interval of a small distance lay below zero. ``effbench.selfcheck.coverage`` says what either holds.
    """
    if not is_nonnegative:
        return np.asarray(replicates + (value - np.nanmean(replicates)))
    roots = np.sqrt(np.maximum(replicates, 0.0))
    return np.asarray(np.maximum(roots + (np.sqrt(max(value, 0.0)) - np.nanmean(roots)), 0.0) ** 2)


def intervals_of(
    replicates: Mapping[str, Array],
    level: float,
    centre_on: Mapping[str, float],
    *,
    clusters: int,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Interval]:
    """Return the percentile interval of every value that has one (``interval_of``) from its replicates.

    Those of a value named in ``centre_on`` are ``centred`` on it first. ``bounds`` are the least and the greatest that a
    value can be, infinite where not named: no interval leaves them, which costs it no coverage.
    """
    intervals = {}
    for name, values in replicates.items():
        least, most = (bounds or {}).get(name, (-np.inf, np.inf))
        placed = centred(values, centre_on[name], least == 0) if name in centre_on and len(values) else values
        interval = interval_of(placed, level, clusters)
        if interval is not None:
            low, high = (min(max(end, least), most) for end in interval)
            intervals[name] = Interval(float(low), float(high))
    return intervals


def percentile_intervals(
    summarise: Callable[[Array], Mapping[str, float]],
    clusters: Sequence[str],
    resamples: int,
    level: float,
    centre_on: Mapping[str, float],
    seed: int = 0,
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, Interval]:
    """Return the percentile interval of every value that ``summarise(weights)`` returns: drawn, then ``intervals_of``."""
    replicates = bootstrap_replicates(summarise, clusters, resamples, seed)
    return intervals_of(replicates, level, centre_on, clusters=len(set(clusters)), bounds=bounds)


class ClusterTotals(NamedTuple):
    """Sum of the values and number of values of each cluster, both [clusters]."""

    totals: Array
    sizes: Array

    @property
    def mean(self) -> float:
        """Return the mean over all values."""
        return float(self.totals.sum() / self.sizes.sum())

    @property
    def influence(self) -> Array:
        """Return what each cluster adds to the mean [clusters]: its deviation, over the mean size; they sum to 0."""
        return np.asarray((self.totals - self.mean * self.sizes) / self.sizes.mean())


def cluster_totals(values: Array, clusters: Sequence[str] | None) -> ClusterTotals:
    """Return the totals of the clusters, in the order of their names; every value its own cluster where None."""
    if clusters is None:
        return ClusterTotals(values, np.ones(len(values)))
    if len(clusters) != len(values):
        raise ValueError(f"need one cluster per value, got {len(clusters)} for {len(values)} values")
    _, rows = np.unique(np.asarray(clusters), return_inverse=True)
    return ClusterTotals(np.bincount(rows, values), np.bincount(rows).astype(np.float64))


def has_spread(parts: ClusterTotals) -> bool:
    """Return whether the clusters differ by more than rounding; without that a sample says nothing of its error."""
    size = max(np.abs(parts.totals).max(initial=0.0), np.finfo(float).tiny)
    return bool(np.abs(parts.influence).max(initial=0.0) > 4 * len(parts.totals) * np.finfo(float).eps * size)


def bootstrap_mean(
    values: Sequence[float] | Array,
    *,
    clusters: Sequence[str] | None = None,
    trainings: Sequence[Any] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval | None:
    """Return the interval of the mean of ``values`` [n], whole clusters drawn with replacement.

    ``trainings`` [n] name the training that each value comes from; from two on, their error is added on each side
    (``stats.crossed``), and the interval is about the mean over trainings. With one it holds for that one alone.

    Each end is the further of two: the expanded percentile (``interval_of``), which covers too little where values are
    skewed, and BCa (Efron 1987, JASA 82, 171-185) from the same tails with the skewness of the clusters' influence over
    6 sqrt(clusters) as acceleration, which covers too little where tails are heavy, the skewness then being noise. None
    below ``least_clusters(level)`` and where neither clusters nor trainings differ. ``effbench.selfcheck.coverage`` lists
    what is covered at which size. Raises ``ValueError`` for values that are not finite.
    """
    check_resamples(resamples)
    given = finite(values, "the values")
    parts, training = cluster_totals(given, clusters), training_of_mean(given, clusters, trainings)
    k = len(parts.totals)
    if k < least_clusters(level) or not (has_spread(parts) or training.varies):
        return None
    ends = _mean_ends(parts, level, resamples, seed) if has_spread(parts) else Interval(parts.mean, parts.mean)
    return Interval(*widened(parts.mean, ends, level, k, training))


def _mean_ends(parts: ClusterTotals, level: float, resamples: int, seed: int) -> Interval:
    k = len(parts.totals)
    replicates, normal, influence = _mean_replicates(parts, resamples, seed), NormalDist(), parts.influence
    same = 8 * np.finfo(float).eps * np.abs(replicates).max()
    below = np.mean(replicates < parts.mean - same) + np.mean(np.abs(replicates - parts.mean) <= same) / 2
    bias = normal.inv_cdf(min(max(float(below), 0.5 / resamples), 1 - 0.5 / resamples))
    acceleration = float((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))
    tail = _tail(level, k)
    reach = normal.inv_cdf(1 - tail)
    lower, upper = (normal.cdf(bias + (bias + z) / max(1 - acceleration * (bias + z), 1e-3)) for z in (-reach, reach))
    levels = [min(lower, tail), max(upper, 1 - tail)]
    low, high = np.quantile(replicates, levels, method="weibull")
    return Interval(float(low), float(high))


def _mean_replicates(parts: ClusterTotals, resamples: int, seed: int) -> Array:
    generator, k = np.random.default_rng(seed), len(parts.totals)
    rows, replicates = max(1, _CHUNK // k), np.empty(resamples)
    for start in range(0, resamples, rows):
        drawn = generator.integers(0, k, (min(rows, resamples - start), k))  # [rows, clusters]
        replicates[start : start + rows] = parts.totals[drawn].sum(1) / parts.sizes[drawn].sum(1)
    return replicates


def wilson_interval(successes: float, n: int, level: float) -> Interval:
    """Return Wilson's score interval of a share: unlike the bootstrap it has width even at 0 of n and n of n.

    Raises ``ValueError`` where n is not positive or ``successes`` lies outside [0, n].
    """
    check_level(level)
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"a share needs 0 <= successes <= n with n of at least 1, got {successes} of {n}")
    z = NormalDist().inv_cdf((1 + level) / 2)
    low, high = wilson_ends(successes / n, n, z)
    return Interval(0.0 if successes == 0 else low, 1.0 if successes == n else high)


def wilson_ends(share: float, n: float, z: float) -> tuple[float, float]:
    """Return where a true share could lie for ``share`` of n to be z standard errors away (Wilson 1927, JASA 22, 209-212)."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(centre - half), float(centre + half)
