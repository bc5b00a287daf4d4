"""Greedy ascent of tau with cross-validation over methods.

A sample is added at a time. Every step splits the methods at random into two halves: the ``shortlist`` samples that would
raise tau most on the first half are ranked by tau on the second, so that a sample gets in only by what it does for methods
that did not nominate it. Ties go to the larger correlation with the truth on that half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selection, check_request, even
from effbench.subset.tau import tau_of_mean, truth_signs

TIE = 1e-6
"""Weight of the correlation beside tau: it decides between equal taus only (they differ by far more)."""


@dataclass(frozen=True)
class GreedyTau:
    """``shortlist`` candidates go from one half to the other at every step; None: tau on all methods decides at once."""

    shortlist: int | None = 100
    name: str = "greedy"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return the subset that the ascent ends with."""
        check_request(matrices, size)
        generator = np.random.default_rng(seed)
        columns = [np.ascontiguousarray(matrix.values.T) for matrix in matrices]
        totals = [np.zeros(table.shape[1]) for table in columns]
        methods, free = columns[0].shape[1], np.ones(len(columns[0]), bool)
        rows: list[int] = []
        for _ in range(size):
            halves = np.array_split(generator.permutation(methods), 2) if self.shortlist else [np.arange(methods)]
            candidates = np.flatnonzero(free)
            for half in halves:
                found = [_gains(m, t, s, candidates, half, len(rows) + 1) for m, t, s in zip(matrices, columns, totals)]
                gains = np.mean(found, axis=0)
                if half is not halves[-1]:
                    candidates = candidates[np.argsort(-gains, kind="stable")[: self.shortlist]]
            chosen = int(candidates[int(np.argmax(gains))])
            rows.append(chosen)
            free[chosen] = False
            for table, total in zip(columns, totals):
                total += table[chosen]
        return even(np.sort(rows))


def _gains(matrix: ScoreMatrix, table: Array, total: Array, candidates: Array, methods: Array, count: int) -> Array:
    """Return tau on some of the methods of the subset with each candidate added, plus ``TIE`` times its correlation."""
    truth = matrix.truth[methods]
    means = (table[np.ix_(candidates, methods)] + total[methods]) / count
    found = np.empty(len(candidates))
    _tau_of_each(means, truth_signs(truth, matrix.margin), matrix.margin, found)
    centred, target = means - means.mean(1, keepdims=True), truth - truth.mean()
    scale = np.sqrt((centred**2).sum(1) * (target**2).sum())
    return np.asarray(found + TIE * (centred @ target) / np.where(scale > 0, scale, 1))


@njit(cache=True, parallel=True)
def _tau_of_each(means: Array, order: Array, margin: float, found: Array) -> None:  # pragma: no cover - compiled
    apart = 0.0
    for i in range(len(order) - 1):
        for j in range(i + 1, len(order)):
            apart += order[i, j] ** 2
    for row in prange(len(means)):
        found[row] = tau_of_mean(means[row], order, apart, margin)
