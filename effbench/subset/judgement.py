"""A selector judged on given splits: how its subsets rank the held-out methods, searched on the others.

This compares selectors on equal terms (``docs/flasheval.md``); what ships with a subset is ``certificate``, which leaves few
methods out at a time. The figure on the methods that were searched is reported beside the held-out one as what it is, an
optimism. Beside both stand random subsets of the same size, and the number of random samples of equal fidelity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.errors import BadInput
from effbench.stats.bootstrap import Interval
from effbench.subset.matrix import LEAST_METHODS, ScoreMatrix, check_same
from effbench.subset.random_curve import RandomCurve
from effbench.subset.selection import Selection, Selector
from effbench.subset.tau import signs, tau_b

RESAMPLES = 2000
"""Of an interval of tau: 50 lie beyond each end at 95 %."""
RELIABLE = 0.95
"""Share of pairs in the right order from which a difference counts as resolved; the level of the intervals."""


class Fold(NamedTuple):
    """Rows of the methods that a selector may look at, and of those that judge its subset; disjoint."""

    search: Array
    held_out: Array
    name: str


@dataclass(frozen=True)
class Judgement:
    """One metric under one kind of split; means over the folds. ``interval`` is of the held-out tau over methods and folds.

    ``regret`` is what the best-looking held-out method falls short of the best, in spreads (standard deviations) of the
    methods' means. ``random_size`` is the random subset of equal held-out tau; None where it is beyond the pool.
    ``resolution`` is the difference from which on ``RELIABLE`` of the held-out pairs stand in the right order (see there).
    """

    metric: str
    split: str
    folds: int
    tau: float
    interval: Interval
    searched_tau: float
    random_tau: float
    random_size: float | None
    regret: float
    worst_tau: float
    resolution: float | None

    @property
    def optimism(self) -> float:
        """Return by how much the figure on the searched methods flatters."""
        return self.searched_tau - self.tau


def random_halves(methods: int, seeds: Sequence[int]) -> list[Fold]:
    """Return one fold per seed: half of the methods search, the rest is held out."""
    folds = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(methods)
        folds.append(Fold(np.sort(order[: methods // 2]), np.sort(order[methods // 2 :]), f"half {seed}"))
    return folds


def families_left_out(matrix: ScoreMatrix) -> list[Fold]:
    """Return one fold per family of at least four methods, if at least four others remain; the family is held out."""
    groups = np.array(matrix.families)
    folds = [
        Fold(np.flatnonzero(groups != name), np.flatnonzero(groups == name), str(name)) for name in np.unique(groups)
    ]
    return [fold for fold in folds if min(len(fold.search), len(fold.held_out)) >= LEAST_METHODS]


def judge(
    selector: Selector, matrices: Sequence[ScoreMatrix], size: int, folds: Sequence[Fold], split: str, seed: int = 0
) -> list[Judgement]:
    """Return the judgement of a selector's subsets per metric, searched afresh in every fold with seeds from ``seed`` on.

    Raises ``BadInput`` where a fold shares methods between its sides, or there is none.
    """
    check_same(matrices)
    if not folds:
        raise BadInput(f"no {split} split of these {len(matrices[0].methods)} methods leaves four on either side")
    chosen: list[Selection] = []
    for place, fold in enumerate(folds):
        if set(fold.search.tolist()) & set(fold.held_out.tolist()):
            raise BadInput(f"fold {fold.name}: a method stands on both sides of the split")
        chosen.append(selector.select([matrix.of_methods(fold.search) for matrix in matrices], size, seed + place))
    return [_judgement(matrix, folds, chosen, split) for matrix in matrices]


def _judgement(matrix: ScoreMatrix, folds: Sequence[Fold], chosen: Sequence[Selection], split: str) -> Judgement:
    held, searched, regrets = [], [], []
    curves = dict[bytes, RandomCurve]()  # by held-out methods: searches with other seeds share them
    for fold, selection in zip(folds, chosen):
        ours, theirs = matrix.of_methods(fold.search), matrix.of_methods(fold.held_out)
        searched.append(tau_of(ours, selection))
        held.append(tau_of(theirs, selection))
        regrets.append(top_regret(selection.estimate(theirs), theirs.truth, matrix.higher_is_better))
        if fold.held_out.tobytes() not in curves:
            curves[fold.held_out.tobytes()] = RandomCurve.of(theirs)
    size = len(chosen[0].rows)
    curve = RandomCurve.mean_of([curves[fold.held_out.tobytes()] for fold in folds])
    tau = float(np.mean(held))
    return Judgement(
        matrix.metric,
        split,
        len(folds),
        tau,
        tau_interval(matrix, folds, chosen),
        float(np.mean(searched)),
        curve.tau_at(size),
        curve.size_of(tau),
        float(np.mean(regrets)),
        float(np.min(held)),
        resolution_of(*held_out_pairs(matrix, folds, chosen)),
    )


def held_out_pairs(matrix: ScoreMatrix, folds: Sequence[Fold], chosen: Sequence[Selection]) -> tuple[Array, Array]:
    """Return (difference on the subset, difference on all samples) of every pair of held-out methods in every fold."""
    ours, theirs, truth = [], [], matrix.truth
    for fold, selection in zip(folds, chosen):
        first, second = (fold.held_out[rows] for rows in np.triu_indices(len(fold.held_out), 1))
        estimate = selection.estimate(matrix)
        ours.append(estimate[first] - estimate[second])
        theirs.append(truth[first] - truth[second])
    return np.concatenate(ours), np.concatenate(theirs)


def resolution_of(found: Array, truth: Array, reliable: float = RELIABLE) -> float | None:
    """Return the smallest d so that, of the pairs whose difference on the subset is d or more, that share has the true sign.

    ``found`` and ``truth`` [pairs] are the differences on the subset and on all samples. None where no d will do.
    """
    order = np.argsort(-np.abs(found), kind="stable")
    right = (np.sign(found) == np.sign(truth))[order]
    sizes = np.abs(found)[order]
    enough = np.cumsum(right) >= reliable * np.arange(1, len(right) + 1)
    # Pairs of one size stand or fall together: the last of them decides.
    places = np.flatnonzero(enough & np.append(sizes[1:] < sizes[:-1], True))
    return float(sizes[places[-1]]) if len(places) else None


def tau_of(matrix: ScoreMatrix, selection: Selection) -> float:
    """Return the subset's tau on a matrix; 0, as in the searches, where it ties every pair and so ranks nothing."""
    return float(np.nan_to_num(tau_b(selection.estimate(matrix), matrix.truth, matrix.margin), nan=0.0))


def top_regret(estimate: Array, truth: Array, higher_is_better: bool) -> float:
    """Return (best truth - truth of the method that the estimate puts first) / spread of the truth; 0 is no regret."""
    sign = 1.0 if higher_is_better else -1.0
    spread = float(truth.std())
    return float((sign * truth).max() - sign * truth[int((sign * estimate).argmax())]) / spread if spread else 0.0


def tau_interval(
    matrix: ScoreMatrix, folds: Sequence[Fold], chosen: Sequence[Selection], level: float = 0.95, seed: int = 0
) -> Interval:
    """Return the interval of the mean held-out tau, resampling methods (and, by their splits, folds) with replacement.

    A method drawn twice makes no pair with itself: pair (i, j) weighs count_i * count_j. The same counts serve every fold,
    in which only the held-out ones matter.
    """
    generator, methods = np.random.default_rng(seed), len(matrix.methods)
    tables = [_pair_table(matrix, fold, selection) for fold, selection in zip(folds, chosen)]
    replicates = np.empty(RESAMPLES)
    for replicate in range(RESAMPLES):
        counts = generator.multinomial(methods, np.full(methods, 1 / methods))
        picked = generator.integers(0, len(folds), len(folds))
        found = [_weighted_tau(tables[place], counts[folds[place].held_out]) for place in picked.tolist()]
        replicates[replicate] = np.mean(found)
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(min(1.0, high)))


def _pair_table(matrix: ScoreMatrix, fold: Fold, selection: Selection) -> tuple[Array, Array]:
    """Return the signs of all pairs of the held-out methods in the estimate and in the truth, both [held, held]."""
    held = matrix.of_methods(fold.held_out)
    estimate, truth = selection.estimate(held), held.truth
    ours, theirs = (signs(v[:, None] - v[None, :], matrix.margin).astype(np.float64) for v in (estimate, truth))
    return ours, theirs


def _weighted_tau(pairs: tuple[Array, Array], counts: Array) -> float:
    (ours, theirs), weights = pairs, np.outer(counts, counts)
    apart = (weights * np.abs(ours)).sum() * (weights * np.abs(theirs)).sum()
    return float((weights * ours * theirs).sum() / np.sqrt(apart)) if apart > 0 else 0.0
