"""Weighted subsets: a prompt carries a weight, shrunk toward the unweighted mean as far as cross-validation asks for.

Rows come from another selector. With the scores of the methods on them centred over the methods and in units of the truth's
spread, C [methods x metrics, n], and the truth alike, t, the weights minimise

    |C w - t|^2 + strength * tr(C^T C) / n * |w - 1/n|^2,   w >= FLOOR / n,   sum(w) = 1,

a ridge regression that ends at the plain mean for infinite ``strength``. The strength is chosen inside ``select``: methods
are split into folds, rows and weights are chosen anew without each, and tau on the fold's methods decides; among equals the
strongest shrinkage wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

from effbench.arrays import Array
from effbench.subset.matrix import LEAST_METHODS, ScoreMatrix
from effbench.subset.selection import Selection, Selector, check_request
from effbench.subset.soft import SoftTau
from effbench.subset.tau import tau_b

STRENGTHS = (np.inf, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
FLOOR = 0.1
"""Least weight, as a share of the plain one: a prompt that is evaluated should not count for nothing."""
SUM = 1e4
"""How much heavier a deviation of the sum from 1 weighs than the fit; the rest is scaled away."""


@dataclass(frozen=True)
class Weighted:
    """The rows of ``base`` with weights fitted to the truth and shrunk toward equal ones; ``folds`` over the methods."""

    base: Selector = field(default_factory=SoftTau)
    folds: int = 5
    name: str = "weighted"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return the weighted subset; ``details`` hold the strength that was chosen."""
        check_request(matrices, size)
        strength = self._strength(matrices, size, seed)
        rows = self.base.select(matrices, size, seed).rows
        return Selection(rows, fitted_weights(matrices, rows, strength), {"strength": strength})

    def _strength(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> float:
        """Return the strength of the best mean tau on the methods left out, infinite where too few remain to fit."""
        methods = len(matrices[0].methods)
        parts = np.array_split(np.random.default_rng(seed).permutation(methods), self.folds)
        if methods - len(parts[0]) < LEAST_METHODS or len(parts[-1]) < 2:
            return float("inf")
        found = np.zeros(len(STRENGTHS))
        for part in parts:
            seen = [matrix.of_methods(np.setdiff1d(np.arange(methods), part)) for matrix in matrices]
            rows = self.base.select(seen, size, seed).rows
            for place, strength in enumerate(STRENGTHS):
                weights = fitted_weights(seen, rows, strength)
                taus = [tau_b(m.values[np.ix_(part, rows)] @ weights, m.truth[part], m.margin) for m in matrices]
                found[place] += np.nan_to_num(taus, nan=0.0).sum()
        return STRENGTHS[int(np.argmax(np.round(found, 9)))]


def fitted_weights(matrices: Sequence[ScoreMatrix], rows: Array, strength: float) -> Array:
    """Return the weights [n], positive and summing to 1, that the module's equation asks for."""
    n = len(rows)
    plain = np.full(n, 1 / n)
    if not np.isfinite(strength):
        return plain
    scores = np.concatenate([_standardised(matrix, matrix.values[:, rows]) for matrix in matrices])
    truth = np.concatenate([_standardised(matrix, matrix.truth[:, None])[:, 0] for matrix in matrices])
    scale = float((scores**2).sum()) / n
    if scale == 0:
        return plain
    ridge, floor = np.sqrt(strength * scale), FLOOR / n
    system = np.concatenate([scores, ridge * np.eye(n), SUM * np.sqrt(scale) * np.ones((1, n))])
    target = np.concatenate([truth, ridge * plain, [SUM * np.sqrt(scale)]])
    above, _ = nnls(system, target - system @ np.full(n, floor))
    weights = above + floor
    return np.asarray(weights / weights.sum())


def _standardised(matrix: ScoreMatrix, values: Array) -> Array:
    return np.asarray((values - values.mean(0)) / matrix.truth.std())
