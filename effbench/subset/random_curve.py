"""What random subsets reach: mean tau against size, and the size that a tau is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.tau import taus

SUBSETS = 200
"""Random subsets of each size: the mean tau then has a 14th of the spread of one subset's."""
SIZES = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
"""Even steps of the logarithm, in which tau is taken as linear between them; those above a pool are left out."""


@dataclass(frozen=True)
class RandomCurve:
    """Mean tau of ``SUBSETS`` random subsets at each of ``sizes``, the last being all samples (tau 1)."""

    sizes: Array
    taus: Array

    @classmethod
    def of(cls, matrix: ScoreMatrix, seed: int = 0) -> RandomCurve:
        """Return the curve of a matrix's methods."""
        pool, generator, found = len(matrix.samples), np.random.default_rng(seed), []
        sizes = [size for size in SIZES if size < pool]
        columns = np.ascontiguousarray(matrix.values.T)
        for size in sizes:
            sets = np.stack([generator.choice(pool, size, replace=False) for _ in range(SUBSETS)])
            found.append(float(taus(columns, matrix.truth, sets, matrix.margin).mean()))
        return cls(np.array([*sizes, pool], float), np.array([*found, 1.0]))

    @classmethod
    def mean_of(cls, curves: Sequence[RandomCurve]) -> RandomCurve:
        """Return the mean of curves over the same sizes."""
        return cls(curves[0].sizes, np.mean([curve.taus for curve in curves], axis=0))

    def tau_at(self, size: int) -> float:
        """Return the tau of a size, linear in its logarithm between the sizes measured."""
        return float(np.interp(np.log(size), np.log(self.sizes), self.taus))

    def size_of(self, tau: float) -> float | None:
        """Return the size of that mean tau; the smallest measured where even that is better, None at or above 1."""
        if tau >= 1:
            return None
        rising = np.maximum.accumulate(self.taus)
        return float(np.exp(np.interp(tau, rising, np.log(self.sizes))))
