"""The bootstrap over samples, by weights: a resample is how often each sample was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Interval(NamedTuple):
    """A two-sided interval."""

    low: float
    high: float


def cluster_weights(clusters: Sequence[str], resamples: int, seed: int) -> Iterator[Array]:
    """Yield ``resamples`` weight vectors [n]: whole clusters (all seeds of a prompt) are drawn with replacement.

    The draws depend on the number of clusters and the seed only, so that methods which ran on the same samples are
    resampled alike.
    """
    names = sorted(set(clusters))
    index = {name: i for i, name in enumerate(names)}
    rows = np.array([index[name] for name in clusters])  # [n] -> cluster
    generator = np.random.default_rng(seed)
    chance = np.full(len(names), 1 / len(names))
    for _ in range(resamples):
        yield generator.multinomial(len(names), chance)[rows].astype(np.float64)


def percentile_intervals(
    summarise: Callable[[Array], dict[str, float]],
    clusters: Sequence[str],
    resamples: int,
    level: float,
    centre_on: Mapping[str, float],
    seed: int = 0,
) -> dict[str, Interval]:
    """Return the percentile interval of every value that ``summarise(weights)`` returns.

    A resample holds fewer distinct samples than the data, which shifts a distance between distributions upwards in every
    draw alike; the interval of a value named in ``centre_on`` is therefore moved so that the mean of its draws falls on
    the value measured. Values that come out as NaN in over a hundredth of the resamples get no interval, and fewer than
    two clusters give none.
    """
    if len(set(clusters)) < 2:
        return {}
    draws: dict[str, list[float]] = {}
    for weights in cluster_weights(clusters, resamples, seed):
        for name, value in summarise(weights).items():
            draws.setdefault(name, []).append(value)
    intervals = {}
    for name, values in draws.items():
        finite = np.array(values)[np.isfinite(values)]
        if len(finite) >= 0.99 * resamples:
            shift = centre_on[name] - finite.mean() if name in centre_on else 0.0
            low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2]) + shift
            intervals[name] = Interval(float(low), float(high))
    return intervals


def wilson_interval(successes: float, n: int, level: float) -> Interval:
    """Return Wilson's score interval of a share: unlike the bootstrap it has width even at 0 of n and n of n."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + level) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low = 0.0 if successes == 0 else float(centre - half)
    return Interval(low, 1.0 if successes == n else float(centre + half))
