"""The difference of two methods on the same samples: its size, its interval, its p, and what it would take to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np

from effbench.stats.bootstrap import Interval, bootstrap_mean, cluster_totals, has_spread, least_clusters
from effbench.stats.inputs import Array, finite
from effbench.stats.permutation import sign_flip_p

POWER = 0.8
"""Chance that ``n_needed`` samples find a difference which is as large as the one observed."""


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b with its interval, sign-flip p and effect d_z; ``n`` counts independent samples (clusters).

    ``n_needed`` is in the same samples. Where something could not be told, it is None and ``reason`` says why:
    ``too_few_samples`` also for differences that are all the same, which say nothing about their error.
    """

    value: float | None
    interval: Interval | None
    p: float | None
    effect: float | None
    n: int
    n_needed: int | None
    reason: str | None


def paired_difference(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    *,
    clusters: Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Return the difference of paired scores a [n] and b [n]; rows of a cluster (seeds of a prompt) are one sample.

    Interval: ``bootstrap_mean`` of the differences. p: ``sign_flip_p`` of the clusters' total differences. Effect: d_z =
    mean / standard deviation of the differences (of the clusters' deviations where there are clusters). Below
    ``least_clusters(level)`` samples there is a p, but nothing that needs a spread.
    Raises ``ValueError`` where a pair is missing (unequal lengths) or a score is not finite.
    """
    ours, theirs = finite(a, "the scores of a"), finite(b, "the scores of b")
    if len(ours) != len(theirs):
        raise ValueError(f"need the same samples on both sides, got {len(ours)} and {len(theirs)} scores")
    difference = ours - theirs
    parts = cluster_totals(difference, clusters)
    n, least = len(parts.totals), least_clusters(level)
    if n == 0:
        return PairedDifference(None, None, None, None, 0, None, "too_few_samples")
    p = sign_flip_p(parts.totals, resamples=resamples, seed=seed)
    value = parts.mean
    if n < least or not has_spread(parts):
        return PairedDifference(value, None, p, None, n, None, "too_few_samples")
    interval = bootstrap_mean(difference, clusters=clusters, level=level, resamples=resamples, seed=seed)
    effect = value / float(np.sqrt((parts.influence**2).sum() / (n - 1)))
    return PairedDifference(value, interval, p, effect, n, samples_needed(effect, level), None)


def samples_needed(effect: float, level: float, power: float = POWER) -> int | None:
    """Return how many pairs a two-sided test at 1 - level needs to find the effect d_z with the power; None for 0.

    n = ((z_{1 - alpha/2} + z_power) / d_z)^2 + z_{1 - alpha/2}^2 / 2, rounded up: the normal formula with the correction
    for the t test of Guenther (1981, The American Statistician 35, 243-244); at least ``least_clusters(level)``, below
    which no sign-flip test can decide. It takes the observed effect as the true one, which an effect found by luck is not.
    """
    least = least_clusters(level)
    if effect == 0:
        return None
    z, reach = NormalDist().inv_cdf((1 + level) / 2), NormalDist().inv_cdf(power)
    return max(least, ceil(((z + reach) / effect) ** 2 + z * z / 2))
