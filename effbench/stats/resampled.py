"""A metric under resampling of groups and of trainings: what a store keeps to recompute its interval and to compare it.

Only evaluations under weights are needed, so that any metric of a whole set has one. Groups are resampled by the bootstrap
(``stats.bootstrap``). Of trainings there are too few to resample (a bootstrap of three draws one of them alone in a ninth
of all cases); each is left out in turn instead (the jackknife, Efron & Stein 1981, Annals of Statistics 9, 586-596). What
both hold is seen by leaving a training out of a resample: the second difference to the value, which is exact for means.
``stats.crossed`` puts the three together and says what is covered. Without trainings, or with one, all is as the bootstrap
over groups alone, and then the number holds for the training at hand, nothing more: whoever prints it has to say so.

The value is that of all rows together. Its interval is about what S trainings and G groups give on average, as it is for
resampled groups: a distance between distributions depends on how many samples there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval, bootstrap_replicates, centred, cluster_weights, interval_of
from effbench.stats.crossed import NO_TRAINING, TrainingVariance, crossed_rows, error_of, facing_zero, widened
from effbench.stats.inputs import check_level

CROSSED = 200
"""Resamples on which each training is left out too. The rest is known to 1 in 14 from three trainings (2 x 200 differences),
far better than what lies between three trainings (1 in 1); so more would cost time and change nothing."""

ROUNDING = 1e-12
"""Share of a value by which trainings may differ and still be the same one: the last digits of sums in another order."""


@dataclass(frozen=True)
class Resampled:
    """One metric of one cell. ``replicates`` [resamples] are its values on resamples of the groups, NaN where undefined.

    ``left_out`` [S] are the values on all groups without one training each, in the order of the trainings' names (numbers
    by size); ``crossed`` [S, K] the same on the first K resamples. Both are empty below two trainings.
    """

    value: float
    replicates: Array
    left_out: Array
    crossed: Array

    @property
    def trainings(self) -> int:
        """Return the number of trainings that it was resampled over, 0 where there was at most one."""
        return len(self.left_out)

    def joint_with(self, other: Resampled) -> bool:
        """Return whether the two have as many resamples, and as many trainings where both have some."""
        alike = self.trainings == other.trainings or not self.trainings or not other.trainings
        return len(self.replicates) == len(other.replicates) and alike


def resample(
    summarise: Callable[[Array], Mapping[str, float]],
    clusters: Sequence[str],
    resamples: int,
    *,
    trainings: Sequence[Any] | None = None,
    seed: int = 0,
) -> dict[str, Resampled]:
    """Return name -> metric under resampling, of every name that ``summarise(weights [n])`` gives on all rows.

    ``clusters`` [n] and ``trainings`` [n] name the group and the training of every row. Takes
    1 + resamples + S (1 + K) evaluations, the last part from two trainings on. Empty below two clusters.
    Raises ``ValueError`` where a training lacks a group that another has.
    """
    replicates = bootstrap_replicates(summarise, clusters, resamples, seed)
    if not replicates:
        return {}
    values = summarise(np.ones(len(clusters)))
    masks = _masks(trainings, clusters)  # [S, n]
    few = list(cluster_weights(clusters, min(CROSSED, resamples), seed)) if len(masks) else []
    left_out = [summarise(mask) for mask in masks]
    crossed = [[summarise(mask * weights) for weights in few] for mask in masks]
    nan = float("nan")
    return {
        name: Resampled(
            float(value),
            replicates.get(name, np.full(resamples, np.nan)),
            np.array([found.get(name, nan) for found in left_out], np.float64),
            np.array([[found.get(name, nan) for found in row] for row in crossed], np.float64).reshape(
                len(masks), len(few)
            ),
        )
        for name, value in values.items()
    }


def _masks(trainings: Sequence[Any] | None, clusters: Sequence[str]) -> Array:
    """Return weights [S, n], each 0 on the rows of one training; none below two trainings."""
    if trainings is None or len(set(trainings)) < 2:
        return np.empty((0, len(clusters)))
    of_training, _ = crossed_rows(trainings, clusters)
    return np.stack([(of_training != s).astype(np.float64) for s in range(of_training.max() + 1)])


def combined(a: Resampled, b: Resampled, how: Callable[[Any, Any], Any] = np.subtract) -> Resampled:
    """Return a metric of two cells on the same resamples: their difference, or what else ``how`` makes of two arrays.

    Trainings are paired by their place. Where one side has none, its value stands still while the other's trainings are left
    out. Two methods' trainings under one seed are independent of each other, and then so are their differences by training.
    Raises ``ValueError`` where the two are not joint (``Resampled.joint_with``).
    """
    if not a.joint_with(b):
        raise ValueError(
            f"need the same resamples and trainings, got {len(a.replicates)} and {len(b.replicates)} resamples, "
            f"{a.trainings} and {b.trainings} trainings"
        )
    ours, theirs = (one if one.trainings else _standing_still(one, other) for one, other in ((a, b), (b, a)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return Resampled(
            float(how(a.value, np.float64(b.value))),
            np.asarray(how(a.replicates, b.replicates)),
            np.asarray(how(ours.left_out, theirs.left_out)),
            np.asarray(how(ours.crossed, theirs.crossed)),
        )


def _standing_still(one: Resampled, other: Resampled) -> Resampled:
    crossed = np.broadcast_to(one.replicates[: other.crossed.shape[1]], other.crossed.shape)
    return replace(one, left_out=np.full(other.trainings, one.value), crossed=crossed)


def placed(found: Resampled, is_nonnegative: bool) -> Resampled:
    """Return the metric with its resamples ``centred`` on the values that they scatter about, as a set metric's must be."""
    rows = [centred(row, value, is_nonnegative) for row, value in zip(found.crossed, found.left_out)]
    replicates = centred(found.replicates, found.value, is_nonnegative) if len(found.replicates) else found.replicates
    return replace(found, replicates=replicates, crossed=np.array(rows).reshape(found.crossed.shape))


def resampled_interval(
    found: Resampled,
    level: float,
    *,
    clusters: int,
    is_set: bool,
    bounds: tuple[float, float] = (-inf, inf),
) -> Interval | None:
    """Return the interval of a metric over ``clusters`` groups and, from two on, over trainings.

    ``is_set``: the replicates are moved onto the value first (``centred``), and where ``bounds`` begin at 0 the trainings'
    error is added on the scale of the square root too. No interval leaves the bounds. None where
    ``interval_of`` the replicates is, and where the metric is undefined without one of the trainings.
    """
    is_root = is_set and bounds[0] == 0
    replicates = (
        centred(found.replicates, found.value, is_root) if is_set and len(found.replicates) else found.replicates
    )
    groups = interval_of(replicates, level, clusters)
    if groups is None:
        return None
    if found.trainings:
        scaled = _roots(found) if is_root else found
        ends = Interval(*np.sqrt(np.maximum(groups, 0.0)).tolist()) if is_root else groups
        training = training_of(scaled, clusters)
        if training is None:
            return None
        low, high = widened(scaled.value, ends, level, clusters, training)
        groups = Interval(max(low, 0.0) ** 2, high**2) if is_root else Interval(low, high)
    low, high = (min(max(end, bounds[0]), bounds[1]) for end in groups)
    if is_set and len(
        found.replicates
    ):  # moved by way of a mean and a root: an end may miss the value by their rounding
        slack = ROUNDING * max(abs(found.value), float(np.nanmax(np.abs(found.replicates), initial=0.0)))
        low = found.value if 0 < low - found.value <= slack else low
        high = found.value if 0 < found.value - high <= slack else high
    return Interval(float(low), float(high))


def training_of(found: Resampled, clusters: int) -> TrainingVariance | None:
    """Return what the trainings add; None where the metric is undefined without one of them."""
    count = found.trainings
    spread = found.left_out - found.left_out.mean()
    second = (
        found.crossed - found.replicates[: found.crossed.shape[1]] - (found.left_out - found.value)[:, None]
    )  # [S, K]
    known = np.isfinite(second)
    if not np.isfinite(spread).all() or known.mean() < 0.99:
        return None
    share = (count - 1) / count
    rest = sum(float(row[kept].var(ddof=1)) if kept.sum() > 1 else 0.0 for row, kept in zip(second, known))
    least = (ROUNDING * float(np.abs(found.left_out).max())) ** 2
    between, rest = share * float((spread**2).sum()), share * rest * clusters / (clusters - 1)
    return TrainingVariance(between if between > least else 0.0, rest if rest > least else 0.0, count)


def _roots(found: Resampled) -> Resampled:
    replicates, left_out, crossed = (
        np.sqrt(np.maximum(v, 0.0)) for v in (found.replicates, found.left_out, found.crossed)
    )
    return Resampled(float(np.sqrt(max(found.value, 0.0))), replicates, left_out, crossed)


def resampled_p(found: Resampled, level: float, *, clusters: int) -> float | None:
    """Return the two-sided p that a difference is 0, as its interval has it: at most 1 - level where that excludes 0.

    The difference is that of a metric of whole sets (its interval's ``is_set``, without bounds); p is as good as that
    interval, not exact. With trainings it is the t test of the side that faces 0 at ``level``. None where there is no
    interval or nothing varies.
    """
    check_level(level)
    replicates = centred(found.replicates, found.value, False)
    groups = interval_of(replicates, level, clusters)
    training = training_of(found, clusters) if found.trainings else NO_TRAINING
    if groups is None or training is None or not (groups.high > groups.low or training.varies):
        return None
    if training.varies:
        return facing_zero(found.value, groups, level, clusters, training).p(found.value)
    return _p_of_replicates(replicates[np.isfinite(replicates)], clusters)


def _p_of_replicates(replicates: Array, clusters: int) -> float:
    """Return the p that the expanded percentile interval of the replicates implies (``stats.bootstrap``)."""
    from scipy.stats import norm, t

    beyond = (1 + min(int((replicates <= 0).sum()), int((replicates >= 0).sum()))) / (1 + len(replicates))
    quantile = -norm.ppf(min(beyond, 0.5)) / np.sqrt(clusters / (clusters - 1))
    return float(min(1.0, 2 * t.sf(quantile, clusters - 1)))


def replicates_with_trainings(found: Resampled, generator: np.random.Generator, *, clusters: int) -> Array:
    """Return the replicates [resamples] with what trainings add: worlds of other groups and of other trainings.

    The same replicates where there are no trainings, or these do not vary or cannot be told. Row b stays the groups of
    resample b, which methods on the same groups share; their trainings are independent of each other.
    """
    training = training_of(found, clusters) if found.trainings and clusters > 1 else None
    if training is None or not training.varies:
        return found.replicates
    middle, variance = (
        np.nanmean(found.replicates),
        float(np.nanvar(found.replicates, ddof=1)) * clusters / (clusters - 1),
    )
    error = error_of((training.between, training.trainings - 1), (variance, clusters - 1), training.rest)
    kept = np.sqrt((error.variance - training.between) / variance) if variance > 0 else 0.0
    freedom = training.trainings - 1
    deviates = generator.standard_normal(len(found.replicates)) * np.sqrt(
        freedom / generator.chisquare(freedom, len(found.replicates))
    )
    return np.asarray(middle + kept * (found.replicates - middle) + np.sqrt(training.between) * deviates)
