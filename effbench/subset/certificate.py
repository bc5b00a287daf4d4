"""The certificate of a subset: how well the way it was chosen ranks methods that took no part in choosing it.

The subset itself is chosen on all N methods of the pool; nothing is held out from it. So the certificate is about the
procedure: it is repeated with few methods left out at a time, and its subsets rank those (``left_out`` says which pairs count
and what the figure estimates). Two kinds:

- ``leave-few-out``: a tenth of the methods at random, each method in turn, as many whole partitions as the budget of searches
  allows. The figure is that of a new method of the kinds in the pool, for N - k searched methods.
- ``leave-one-family-out``: every family in turn; the one to read for a method of a new kind. Pairs lie within a family. Its
  interval is the wider of two: over methods, and over families (which two or three of them can hardly tell).

The figure on the methods that were searched is reported beside it as what it is, an optimism; and random subsets of the
same size, and the number of random samples of equal fidelity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.stats.bootstrap import Interval
from effbench.subset.judgement import Fold, families_left_out, held_out_pairs, resolution_of, tau_of
from effbench.subset.left_out import Pairs, few_left_out, repeat_variance, share_interval
from effbench.subset.manifest import FAMILY
from effbench.subset.matrix import ScoreMatrix, check_same
from effbench.subset.random_curve import RandomCurve
from effbench.subset.selection import Selection, Selector

FEW = "leave-few-out"
SEARCHES = 100
"""Searches for ``leave-few-out`` where nothing else is asked for: ten partitions."""
WORK = 1e11
"""Fewer where a search is large: pairs of methods x samples x size x metrics of all searches together, about two minutes of
one core with ``soft``; never below one partition."""


@dataclass(frozen=True)
class Certified:
    """One metric under one kind. ``searched`` is the least number of methods that a search saw, ``pairs`` how many counted.

    ``pair_regret`` is what the better-looking of two held-out methods falls short of the better one, on average over pairs,
    in spreads (standard deviations) of the methods' means. ``worst_tau`` is that of the worst family. ``random_size`` is the
    random subset of equal tau; None where it is beyond the pool. ``resolution`` is the difference from which on 95 % of the
    held-out pairs stand in the right order, None where none does.
    """

    metric: str
    split: str
    folds: int
    searched: int
    pairs: int
    tau: float
    interval: Interval
    searched_tau: float
    random_tau: float
    random_size: float | None
    pair_regret: float
    worst_tau: float | None
    resolution: float | None


def searches_for(matrices: Sequence[ScoreMatrix], size: int) -> int:
    """Return the budget of searches where none is given; it depends on the matrices' shapes alone."""
    methods, samples = matrices[0].values.shape
    return int(np.clip(WORK / (methods * (methods - 1) / 2 * samples * size * len(matrices)), 1, SEARCHES))


def folds_of(matrix: ScoreMatrix, searches: int) -> dict[str, list[Fold]]:
    """Return the folds of each kind that the methods allow; raise ``BadInput`` where they are too few for any."""
    few = few_left_out(len(matrix.methods), searches)
    if not few:
        raise BadInput(
            f"{matrix.metric}: {len(matrix.methods)} methods are too few to hold two out and search with four"
        )
    families = families_left_out(matrix)
    return {FEW: few} | ({FAMILY: families} if len(families) > 1 else {})


def search_all(
    selector: Selector, matrices: Sequence[ScoreMatrix], size: int, folds: Sequence[Fold], seed: int
) -> list[Selection]:
    """Return the subset of every fold, searched on its own methods only, with seeds from ``seed`` on."""
    check_same(matrices)
    return [
        selector.select([matrix.of_methods(fold.search) for matrix in matrices], size, seed + place)
        for place, fold in enumerate(folds)
    ]


def certify(matrix: ScoreMatrix, kind: str, folds: Sequence[Fold], chosen: Sequence[Selection]) -> Certified:
    """Return the certificate of one metric from the folds of one kind and the subsets chosen in them."""
    pairs = Pairs.of(matrix, folds, chosen)
    tau, size = pairs.tau(), len(chosen[0].rows)
    found, truth = held_out_pairs(matrix, folds, chosen)
    curve, spread = _random_curve(matrix, kind, folds), float(matrix.truth.std())
    return Certified(
        matrix.metric,
        kind,
        len(folds),
        min(len(fold.search) for fold in folds),
        pairs.count,
        tau,
        _interval(matrix, kind, folds, chosen, pairs),
        float(np.mean([tau_of(matrix.of_methods(fold.search), selection) for fold, selection in zip(folds, chosen)])),
        curve.tau_at(size),
        curve.size_of(tau),
        pair_regret(found, truth) / spread,
        min(Pairs.of(matrix, [f], [s]).tau() for f, s in zip(folds, chosen)) if kind == FAMILY else None,
        resolution_of(found, truth),
    )


def pair_regret(found: Array, truth: Array) -> float:
    """Return the mean loss, over pairs, of taking the method that looks better; a tie is a toss. Both are differences."""
    return float(np.mean(np.abs(truth) * (1 - np.sign(found) * np.sign(truth)) / 2)) if len(truth) else 0.0


def _interval(
    matrix: ScoreMatrix, kind: str, folds: Sequence[Fold], chosen: Sequence[Selection], pairs: Pairs
) -> Interval:
    tau = pairs.tau()
    if len(chosen[0].rows) == len(matrix.samples) and tau == 1:
        return Interval(1.0, 1.0)  # all samples are the truth: nothing is uncertain
    repeats = repeat_variance(matrix, folds, chosen)
    over_methods = share_interval(tau, pairs.variance() + repeats, len(matrix.methods))
    if kind != FAMILY:
        return over_methods
    over_families = share_interval(tau, pairs.variance([fold.held_out for fold in folds]), len(folds))
    return Interval(min(over_methods.low, over_families.low), max(over_methods.high, over_families.high))


def _random_curve(matrix: ScoreMatrix, kind: str, folds: Sequence[Fold]) -> RandomCurve:
    """Return what random subsets reach on the same pairs: of all methods, or within families (weighted by their pairs)."""
    if kind != FAMILY:
        return RandomCurve.of(matrix)
    curves = [RandomCurve.of(matrix.of_methods(fold.held_out)) for fold in folds]
    weights = [len(fold.held_out) * (len(fold.held_out) - 1) for fold in folds]
    return RandomCurve(curves[0].sizes, np.average([curve.taus for curve in curves], axis=0, weights=weights))
