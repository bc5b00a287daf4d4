"""The error of a mean over rows that two sources cross: trainings x groups of samples, rounds x items.

A value of training s on group g is mean + training + group + rest. The mean over S trainings and G groups then has the
variance training / S + group / G + rest / (S G). Of what can be seen, the variance between trainings (over S) holds the
first and the last term, that between groups (over G) the second and the last: the rest is counted once by subtraction,
``kept + max(other - rest, 0)``. *Kept* is the source that must not be missed (trainings; rounds), so that the sum is never
below what it alone gives, and Student's t with its S - 1 degrees of freedom holds where the other source adds nothing.

Degrees of freedom: f = (sum v)^p / sum v^p / f_i. With p = 2 that is Satterthwaite's rule (1946, Biometrics Bulletin 2,
110-114), which covers too little where a source of two degrees of freedom adds most of the variance but not all (92 % at
three trainings): one that is small by luck is taken for one that does not matter. p = 1 covers up to 96.3 % where both add
alike, more with few groups. ``POWER`` lies between.

What stays (``effbench.selfcheck.coverage`` lists it). Where the three terms' mean squares are those of normal data, 3, 5 and
10 trainings with 20 to 200 groups cover 93.9 to 96.5 % of 95, whatever the shares of the terms; with the group interval of
``stats.bootstrap``, which covers a little more, up to 97 %. Two items (one degree of freedom) that differ far more than
rounds do cover 88 to 95 %, four 92 to 98 %: by luck they look alike, and then nothing tells them from items that are alike,
for which the interval over rounds alone is asked for. What is right in the one case is wrong in the other; more items end it.
Set metrics have the jackknife's limits: one that jumps (a median of trainings that hardly vary within) covers less.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from effbench.arrays import Array

POWER = 1.1
"""Of the rule for degrees of freedom; 1.1 keeps three trainings within 93.9 to 96.5 %, see the module's docstring."""


def quantile(level: float, freedom: float) -> float:
    """Return how many standard errors Student's t interval of the level reaches to either side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


class Error(NamedTuple):
    """Squared standard error of a value and its degrees of freedom."""

    variance: float
    freedom: float

    def reach(self, level: float) -> float:
        """Return half the width of Student's t interval."""
        return quantile(level, self.freedom) * float(np.sqrt(self.variance))

    def p(self, value: float) -> float:
        """Return the two-sided p of the t test that the value is 0."""
        from scipy.special import stdtr

        return float(2 * stdtr(self.freedom, -abs(value) / np.sqrt(self.variance)))


class TrainingVariance(NamedTuple):
    """What trainings add to a mean's error: squared errors ``between`` them (the rest in it) and of the ``rest`` alone."""

    between: float
    rest: float
    trainings: int

    @property
    def varies(self) -> bool:
        """Return whether trainings differ at all, so that there is something to add."""
        return self.trainings > 1 and (self.between > 0 or self.rest > 0)


NO_TRAINING = TrainingVariance(0.0, 0.0, 0)
"""What a single training, or none that is random, adds."""


def error_of(kept: tuple[float, float], other: tuple[float, float], rest: float) -> Error:
    """Return the error of two sources, each given as (squared error with the rest in it, degrees of freedom)."""
    parts = ((kept[0], kept[1]), (max(other[0] - rest, 0.0), other[1]))
    variance = parts[0][0] + parts[1][0]
    if variance <= 0:
        return Error(0.0, kept[1])
    return Error(variance, 1 / sum((part / variance) ** POWER / freedom for part, freedom in parts))


def two_way(table: Array) -> tuple[float, float, float]:
    """Return the squared errors of the mean of a table [m, n]: between rows, between columns, and of the rest alone.

    Each is the mean square of the analysis of variance over m n; the rest is 0 where a side has one entry.
    """
    m, n = table.shape
    rows, columns = table.mean(1), table.mean(0)
    rest = table - rows[:, None] - columns + table.mean()
    squared = float((rest**2).sum()) / ((m - 1) * (n - 1)) if min(m, n) > 1 else 0.0
    between = [float(side.var(ddof=1)) / len(side) if len(side) > 1 else 0.0 for side in (rows, columns)]
    return between[0], between[1], squared / (m * n)


def crossed_rows(trainings: Sequence[Any], clusters: Sequence[str]) -> tuple[Array, Array]:
    """Return the place of each row's training and of its group, both int [n], in the order of their names.

    Raises ``ValueError`` where the lengths differ or a training lacks a group that another has.
    """
    if len(trainings) != len(clusters):
        raise ValueError(f"need one training per row, got {len(trainings)} for {len(clusters)} rows")
    names, of_training = np.unique(np.asarray(trainings), return_inverse=True)
    _, of_cluster = np.unique(np.asarray(clusters), return_inverse=True)
    there = np.zeros((len(names), of_cluster.max(initial=-1) + 1), bool)
    there[of_training, of_cluster] = True
    for name, row in zip(names, there):
        if not row.all():
            raise ValueError(f"training {name} has {row.sum()} of the {len(row)} groups; every training needs all")
    return of_training, of_cluster


def training_of_mean(
    values: Array, clusters: Sequence[str] | None, trainings: Sequence[Any] | None
) -> TrainingVariance:
    """Return what trainings add to the error of the mean over all rows [n]; ``NO_TRAINING`` below two of them.

    A training's and a group's part is what their rows add to the mean: groups of more rows count more, as they do in it.
    Raises ``ValueError`` where groups are not given, or a training lacks one.
    """
    if trainings is None or len(set(trainings)) < 2:
        return NO_TRAINING
    if clusters is None:
        raise ValueError("trainings are crossed with groups: name the group of every row")
    of_training, of_cluster = crossed_rows(trainings, clusters)
    shape = (int(of_training.max()) + 1, int(of_cluster.max()) + 1)
    added = np.bincount(of_training * shape[1] + of_cluster, values - values.mean(), shape[0] * shape[1])
    table = added.reshape(shape) * (shape[0] * shape[1] / len(values))  # [trainings, groups], mean 0
    between, _, rest = two_way(table)
    rounding = (4 * np.finfo(float).eps * np.abs(values).max()) ** 2
    return TrainingVariance(between if between > rounding else 0.0, rest if rest > rounding else 0.0, shape[0])


def error_on_side(reach: float, level: float, clusters: int, training: TrainingVariance) -> Error:
    """Return the error that one end of an interval over groups, ``reach`` away from the value, has with the trainings'.

    The reach over Student's t of ``clusters`` - 1 is a standard error, by which a skewed interval stays skewed.
    """
    squared = (max(reach, 0.0) / quantile(level, clusters - 1)) ** 2
    return error_of((training.between, training.trainings - 1), (squared, clusters - 1), training.rest)


def widened(
    value: float, ends: tuple[float, float], level: float, clusters: int, training: TrainingVariance
) -> tuple[float, float]:
    """Return the ends of an interval over groups with the trainings' error on each side; the same where they do not vary."""
    if not training.varies:
        return ends
    below, above = (error_on_side(side, level, clusters, training) for side in (value - ends[0], ends[1] - value))
    return value - below.reach(level), value + above.reach(level)


def facing_zero(
    value: float, ends: tuple[float, float], level: float, clusters: int, training: TrainingVariance
) -> Error:
    """Return the error on the side of an interval over groups that faces 0; p is 1 - level where ``widened`` ends at 0."""
    return error_on_side(value - ends[0] if value > 0 else ends[1] - value, level, clusters, training)
