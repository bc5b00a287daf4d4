"""What more searched methods would buy: held-out tau against their number, and what lies beyond it.

The methods at hand are subsampled: searches see m of them, and the pairs of all others are pooled (``left_out``). Two curves
are fitted to the points, since a few points cannot tell how far the rise goes:

    1 - tau = exp(a) m^-b      (goes on for ever: the hopeful one)
    1 - tau = c + d / m        (ends at 1 - c: the sober one)

What twice as many methods would add is read off both. The interval spans both curves' intervals over resamples of methods
(weights, as in the Bayesian bootstrap) and of searches. Where it reaches zero or below the curve cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval
from effbench.subset.judgement import Fold
from effbench.subset.left_out import Pairs, repeat_variance, share_interval, sign_tables
from effbench.subset.matrix import LEAST_METHODS, ScoreMatrix
from effbench.subset.selection import Selection

SHARES = (0.2, 0.35, 0.5, 0.7)
"""Of the methods that search; the certificate's own folds are the last point."""
RESAMPLES = 200
"""A choice: five lie beyond each end at 95 %, a coarse interval, since each weighs the tables of every point anew."""
LEAST_ERROR = 1e-3
"""1 - tau below which a point is taken as this: the logarithm of an error of nothing is no number."""


@dataclass(frozen=True)
class Point:
    """Held-out tau with ``methods`` searched, over ``searches`` of them."""

    methods: int
    searches: int
    tau: float
    interval: Interval


@dataclass(frozen=True)
class Outlook:
    """The curve of one metric, and what ``methods`` searched ones (twice as many) would add to tau; None: cannot tell."""

    metric: str
    points: tuple[Point, ...]
    methods: int
    gain: float | None
    interval: Interval | None


def points_of(few: Sequence[Fold], searches: int, seed: int = 0) -> list[list[Fold]]:
    """Return the folds of every point below that of the certificate's folds ``few``: a tenth of ``searches`` each.

    A point has three folds and four methods that search at least; numbers that come out equal are one point.
    """
    below, methods = min(len(fold.search) for fold in few), len(few[0].search) + len(few[0].held_out)
    generator, points = np.random.default_rng(seed), []
    sizes = {max(LEAST_METHODS, round(share * methods)) for share in SHARES}
    for size in sorted(size for size in sizes if size < below):
        orders = [generator.permutation(methods) for _ in range(max(3, searches // 10))]
        points.append(
            [
                Fold(np.sort(order[:size]), np.sort(order[size:]), f"{size} searched, order {number}")
                for number, order in enumerate(orders)
            ]
        )
    return points


def point_of(matrix: ScoreMatrix, folds: Sequence[Fold], chosen: Sequence[Selection]) -> Point:
    """Return one point of the curve."""
    pairs = Pairs.of(matrix, folds, chosen)
    variance = pairs.variance() + repeat_variance(matrix, folds, chosen)
    tau, searched = pairs.tau(), round(float(np.mean([len(fold.search) for fold in folds])))
    return Point(searched, len(folds), tau, share_interval(tau, variance, len(matrix.methods)))


def outlook(
    matrix: ScoreMatrix, points: Sequence[tuple[Sequence[Fold], Sequence[Selection]]], seed: int = 0
) -> Outlook:
    """Return the curve through the points (folds and the subsets chosen in them) and what twice the methods would add."""
    found, methods = tuple(point_of(matrix, *point) for point in points), len(matrix.methods)
    more = 2 * methods
    if len(found) < 3:
        return Outlook(matrix.metric, found, more, None, None)
    sizes = np.array([point.methods for point in found], float)
    gains = _gains(sizes, np.array([point.tau for point in found]), methods, more)
    generator, replicates = np.random.default_rng(seed), []
    tables = [sign_tables(matrix, *point) for point in points]
    for _ in range(RESAMPLES):
        weights = generator.exponential(size=methods)
        taus = [_resampled(table, weights, generator) for table in tables]
        replicates.append(_gains(sizes, np.array(taus), methods, more))
    low, high = np.quantile(replicates, 0.025, axis=0).min(), np.quantile(replicates, 0.975, axis=0).max()
    if low <= 0:
        return Outlook(matrix.metric, found, more, None, None)
    return Outlook(matrix.metric, found, more, float(gains.mean()), Interval(float(low), float(high)))


def _resampled(tables: Array, weights: Array, generator: np.random.Generator) -> float:
    """Return the tau of weighted methods and of as many searches, drawn with replacement."""
    folds = len(tables)
    counts = np.bincount(generator.integers(0, folds, folds), minlength=folds)
    return Pairs.pooled(tables, counts).tau(weights)


def _gains(sizes: Array, taus: Array, now: int, more: int) -> Array:
    """Return what both curves gain in tau from ``now`` to ``more`` methods [2]."""
    error = np.maximum(1 - taus, LEAST_ERROR)
    slope, start = np.polyfit(np.log(sizes), np.log(error), 1)
    forever = np.exp(start) * (now**slope - more**slope)
    falling = np.polyfit(1 / sizes, error, 1)[0]
    return np.array([forever, falling * (1 / now - 1 / more)])
