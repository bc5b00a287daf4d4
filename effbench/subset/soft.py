"""Greedy ascent of a soft tau: every pair of methods counts by how far it is kept apart, not only by whether it is.

Pair (i, j) with truth sign s has on sample p the difference d = s (score[i, p] - score[j, p]), in units of its standard
deviation over all samples. A subset S of size n keeps the pair apart by z = sharpness * sum_S(d) / sqrt(n), which is what
random subsets of that size scatter by, and the pair counts z / sqrt(1 + z^2): about linear where it is undecided, saturated
where it is safe. It knows of no noise: samples whose scores vary much are preferred, even where that is noise. With hard
signs instead (``greedy``) the ascent fits the noise of the methods at hand. ``sharpness`` 0.6 was chosen among 0.05 to 1.5
by cross-validation inside the search half of FlashEval's DiffusionDB scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit, prange
from effbench.subset.matrix import ScoreMatrix
from effbench.subset.selection import Selection, check_request, even
from effbench.subset.tau import signs


@dataclass(frozen=True)
class SoftTau:
    """Greedy ascent of the soft tau (mean over the metrics); deterministic, whatever the seed."""

    sharpness: float = 0.6
    name: str = "soft"

    def select(self, matrices: Sequence[ScoreMatrix], size: int, seed: int) -> Selection:
        """Return the subset that the ascent ends with; the first sample wins among equals."""
        check_request(matrices, size)
        pairs = np.ascontiguousarray(np.concatenate([pair_differences(matrix) for matrix in matrices], axis=1))
        total, free, rows = (
            np.zeros(pairs.shape[1], np.float32),
            np.ones(len(pairs), np.bool_),
            np.empty(size, np.int64),
        )
        found = np.empty(len(pairs), np.float32)
        for place in range(size):
            _soft_taus(total, pairs, free, float(self.sharpness / np.sqrt(place + 1)), found)
            rows[place] = found.argmax()
            free[rows[place]] = False
            total += pairs[rows[place]]
        return even(np.sort(rows))


def pair_differences(matrix: ScoreMatrix) -> Array:
    """Return d, float32 [samples, pairs], without the pairs that the truth ties or that never differ."""
    first, second = np.triu_indices(len(matrix.methods), 1)
    truth = signs(matrix.truth[first] - matrix.truth[second], matrix.margin)
    differences = (matrix.values[first] - matrix.values[second]) * truth[:, None]
    spread = differences.std(1)
    kept = (truth != 0) & (spread > 0)
    return np.asarray((differences[kept] / spread[kept, None]).T, np.float32)


def soft_tau(differences: Array, sharpness: float) -> float:
    """Return the soft tau of a subset from its differences [n, pairs], by the equation."""
    z = sharpness * differences.sum(0) / np.sqrt(len(differences))
    return float((z / np.sqrt(1 + z**2)).mean())


@njit(cache=True, parallel=True, fastmath=True)
def _soft_taus(
    total: Array, pairs: Array, free: Array, scale: float, found: Array
) -> None:  # pragma: no cover - compiled
    for sample in prange(len(pairs)):
        kept = np.float32(0)
        if free[sample]:
            for pair in range(len(total)):
                z = (total[pair] + pairs[sample, pair]) * scale
                kept += z / np.sqrt(np.float32(1) + z * z)
            found[sample] = kept / np.float32(len(total))
        else:
            found[sample] = -2  # below every soft tau
