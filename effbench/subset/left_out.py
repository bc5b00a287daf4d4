"""Pairs of methods that took no part in a search, pooled over many searches, and the tau that they make together.

**Legitimate pairs.** A pair counts where both of its methods were held out of the search whose subset ranks them. With one
of them searched the subset was fitted to half of the pair, which flatters. Both are ranked by the same subset, since scores
on two subsets are not comparable.

**Estimand.** tau-b of two new methods, drawn at random from where the searched ones come from, under a subset searched with
N - k of them: the pooled signs over all pairs, each pair counted once however many searches held it out,

    tau = sum(mean sign_subset * sign_truth) / sqrt(sum(mean sign_subset^2) * sum(mean sign_truth^2)).

The expectation of a pair's sign does not depend on how many others were held out with it, so this is tau over all
methods, not the mean of the taus of small groups (whose normalisation by ties differs from group to group).

**Interval.** Pairs share methods, so the variance is the jackknife's over methods (each left out with all its pairs), plus
that of the mean over repeated partitions. Concordance (1 + tau) / 2 is a share; its interval is Wilson's with the number of
independent pairs that gives that variance, and Student's quantile for the number of methods: it stays inside [-1, 1] and has
width where every pair is right. Measured coverage stands in ``docs/flasheval.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from effbench.arrays import Array
from effbench.stats.bootstrap import Interval
from effbench.subset.judgement import Fold
from effbench.subset.matrix import LEAST_METHODS, ScoreMatrix
from effbench.subset.selection import Selection
from effbench.subset.tau import signs

GROUPS = 10
"""Parts of a partition: each is left out in turn, so that nine tenths of the methods search."""


def few_left_out(methods: int, searches: int, seed: int = 0) -> list[Fold]:
    """Return the folds of as many whole random partitions as ``searches`` allow, at least one; parts hold two or more.

    ``[]`` where fewer than four methods would be left to search.
    """
    groups = max(2, min(GROUPS, methods // 2, searches))
    if methods - -(-methods // groups) < LEAST_METHODS:
        return []
    generator, folds = np.random.default_rng(seed), []
    for repeat in range(max(1, searches // groups)):
        for part in np.array_split(generator.permutation(methods), groups):
            held = np.sort(part)
            folds.append(Fold(np.setdiff1d(np.arange(methods), held), held, f"partition {repeat}"))
    return folds


@dataclass(frozen=True)
class Pairs:
    """Signs of the held-out pairs, means over the searches that held both out; all [methods, methods] and symmetric.

    ``agree`` is sign(subset) * sign(truth), ``ours`` and ``theirs`` the squared signs: 0 where the pair is tied. ``seen``
    counts the searches; a pair that none held out is 0 everywhere.
    """

    agree: Array
    ours: Array
    theirs: Array
    seen: Array

    @classmethod
    def of(cls, matrix: ScoreMatrix, folds: Sequence[Fold], chosen: Sequence[Selection]) -> Pairs:
        """Return the pairs of all folds."""
        return cls.pooled(sign_tables(matrix, folds, chosen), np.ones(len(folds)))

    @classmethod
    def pooled(cls, tables: Array, counts: Array) -> Pairs:
        """Return the pairs of ``sign_tables``, each fold counted as often as ``counts`` [folds] says (a resample of them)."""
        agree, ours, theirs, seen = np.tensordot(counts.astype(np.float32), tables, 1).astype(np.float64)
        times = np.maximum(seen, 1)
        return cls(agree / times, ours / times, theirs / times, seen)

    @property
    def count(self) -> int:
        """Return how many pairs were held out at least once."""
        return int(np.count_nonzero(self.seen)) // 2

    def tau(self, weights: Array | None = None) -> float:
        """Return the pooled tau, 0 where everything is tied; a pair weighs the product of its methods' ``weights``."""
        pair = 1.0 if weights is None else np.outer(weights, weights)
        agree, ours, theirs = (float((pair * part).sum()) for part in (self.agree, self.ours, self.theirs))
        return agree / float(np.sqrt(ours * theirs)) if ours * theirs > 0 else 0.0

    def variance(self, groups: Sequence[Array] | None = None) -> float:
        """Return the jackknife variance of tau: each of ``groups`` of methods (default: each method) left out in turn."""
        methods = len(self.seen)
        taus = []
        for group in groups if groups is not None else [np.array([row]) for row in range(methods)]:
            weights = np.ones(methods)
            weights[group] = 0
            taus.append(self.tau(weights))
        return float((len(taus) - 1) * np.var(taus))


def sign_tables(matrix: ScoreMatrix, folds: Sequence[Fold], chosen: Sequence[Selection]) -> Array:
    """Return sign product, both squared signs and whether the pair was held out, float32 [folds, 4, methods, methods]."""
    methods, truth = len(matrix.methods), matrix.truth
    tables = np.zeros((len(folds), 4, methods, methods), np.float32)
    for table, fold, selection in zip(tables, folds, chosen):
        held, estimate = fold.held_out, selection.estimate(matrix)
        ours, theirs = (signs(v[held][:, None] - v[held], matrix.margin) for v in (estimate, truth))
        distinct = 1 - np.eye(len(held), dtype=int)
        for layer, part in zip(table, (ours * theirs, ours**2, theirs**2, distinct)):
            layer[np.ix_(held, held)] = part
    return tables


def repeat_variance(matrix: ScoreMatrix, folds: Sequence[Fold], chosen: Sequence[Selection]) -> float:
    """Return the variance of the mean over repeated partitions (folds of one name are one), 0 for a single one."""
    names = list(dict.fromkeys(fold.name for fold in folds))
    if len(names) < 2:
        return 0.0
    taus = []
    for name in names:
        rows = [row for row, fold in enumerate(folds) if fold.name == name]
        taus.append(Pairs.of(matrix, [folds[row] for row in rows], [chosen[row] for row in rows]).tau())
    return float(np.var(taus, ddof=1)) / len(names)


def share_interval(tau: float, variance: float, independent: int, level: float = 0.95) -> Interval:
    """Return the interval of a tau from its variance over ``independent`` units (methods, families): see the module.

    Where the variance is 0 the units make ``independent`` / 2 pairs that share nothing.
    """
    share = min(1.0, max(0.0, (1 + tau) / 2))
    pairs = share * (1 - share) / (variance / 4) if variance > 0 and 0 < share < 1 else independent / 2
    quantile = float(student.ppf((1 + level) / 2, max(1, independent - 1)))
    extra = quantile**2 / pairs
    centre = (share + extra / 2) / (1 + extra)
    half = quantile * np.sqrt(share * (1 - share) / pairs + extra / (4 * pairs)) / (1 + extra)
    return Interval(max(-1.0, float(2 * (centre - half) - 1)), min(1.0, float(2 * (centre + half) - 1)))
