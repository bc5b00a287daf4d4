"""The difference of two methods on the same samples: its size, its interval, its p, and what it would take to decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import NormalDist
from typing import Any

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval, bootstrap_mean, cluster_totals, has_spread, least_clusters
from effbench.stats.crossed import (
    NO_TRAINING,
    Error,
    TrainingVariance,
    error_of,
    facing_zero,
    training_of_mean,
    widened,
)
from effbench.stats.inputs import finite
from effbench.stats.permutation import sign_flip_p

POWER = 0.8
"""Chance that ``n_needed`` samples find a difference which is as large as the one observed."""

MOST_SAMPLES = 10_000_000
"""Beyond this nobody draws more samples: what it takes is then not said."""


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b with its interval, p and effect d_z; ``n`` counts independent samples (clusters).

    ``n_needed`` is in the same samples, under as many trainings. Where something could not be told, it is None and
    ``reason`` says why: ``too_few_samples`` also for differences that are all the same, which say nothing about their error.
    ``training`` is what several trainings add to the error; its ``trainings`` is 0 where the difference holds for one only.
    """

    value: float | None
    interval: Interval | None
    p: float | None
    effect: float | None
    n: int
    n_needed: int | None
    reason: str | None
    training: TrainingVariance = NO_TRAINING

    def needed(self, level: float) -> int | None:
        """Return how many samples find this difference at ``level``: ``samples_needed``, or with what trainings add.

        The error between trainings stays however many samples there are; None where it alone hides the difference.
        """
        if self.value is None or self.effect is None:
            return None
        if not self.training.varies:
            return samples_needed(self.effect, level)
        return _samples_beside_trainings(self.value, self.effect, self.n, self.training, level)


def paired_difference(
    a: Sequence[float] | Array,
    b: Sequence[float] | Array,
    *,
    clusters: Sequence[str] | None = None,
    trainings: Sequence[Any] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> PairedDifference:
    """Return the difference of paired scores a [n] and b [n]; rows of a cluster (seeds of a prompt) are one sample.

    Interval: ``bootstrap_mean`` of the differences. p: ``sign_flip_p`` of the clusters' total differences. Effect: d_z =
    mean / standard deviation of the differences (of the clusters' deviations where there are clusters). Below
    ``least_clusters(level)`` samples there is a p, but nothing that needs a spread.

    ``trainings`` [n] name the training that a row comes from, of whichever side is trained (of both: the two under one seed).
    From two on, signs of samples are no longer free to flip, since one training moves all samples at once: p is then the t
    test of the interval's side that faces 0, at most 1 - level where the interval excludes 0, and None where there is no
    interval. Effect and ``n`` still speak of samples.
    Raises ``ValueError`` where a pair is missing (unequal lengths, a training without one of the samples) or a score is not
    finite.
    """
    ours, theirs = finite(a, "the scores of a"), finite(b, "the scores of b")
    if len(ours) != len(theirs):
        raise ValueError(f"need the same samples on both sides, got {len(ours)} and {len(theirs)} scores")
    difference = ours - theirs
    parts = cluster_totals(difference, clusters)
    n, least = len(parts.totals), least_clusters(level)
    if n == 0:
        return PairedDifference(None, None, None, None, 0, None, "too_few_samples")
    training = training_of_mean(difference, clusters, trainings)
    p = None if training.varies else sign_flip_p(parts.totals, resamples=resamples, seed=seed)
    value, spreads = parts.mean, has_spread(parts)
    if n < least or not (spreads or training.varies):
        return PairedDifference(value, None, p, None, n, None, "too_few_samples", training)
    interval = bootstrap_mean(difference, clusters=clusters, level=level, resamples=resamples, seed=seed)
    if training.varies:
        groups = interval or Interval(value, value)
        interval = Interval(*widened(value, groups, level, n, training))
        p = facing_zero(value, groups, level, n, training).p(value)
    effect = value / float(np.sqrt((parts.influence**2).sum() / (n - 1))) if spreads else None
    found = PairedDifference(value, interval, p, effect, n, None, None, training)
    return replace(found, n_needed=found.needed(level))


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


def _samples_beside_trainings(
    value: float, effect: float, n: int, training: TrainingVariance, level: float
) -> int | None:
    """Return the least number of samples at which value / error reaches t of the level and of the power, or None."""
    from scipy.stats import t

    squared, stays = (value / effect) ** 2 / n, max(training.between - training.rest, 0.0)

    def error(samples: int) -> Error:
        scale = n / samples
        kept = stays + (training.between - stays) * scale, training.trainings - 1
        return error_of(kept, (squared * scale, samples - 1), training.rest * scale)

    def suffices(samples: int) -> bool:
        found = error(samples)
        reach = t.ppf((1 + level) / 2, found.freedom) + t.ppf(POWER, found.freedom)
        return bool(abs(value) >= reach * np.sqrt(found.variance))

    low, high = least_clusters(level), MOST_SAMPLES
    if value == 0 or not suffices(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle + 1, high)
    return low
