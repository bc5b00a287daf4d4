"""Weighted subsets: weights that are known are found, infinite shrinkage is the plain mean, folds decide how far to go."""

from dataclasses import dataclass

import numpy as np
import pytest
from planted import matrix, noisy

from effbench.subset.selection import even
from effbench.subset.tau import tau_b
from effbench.subset.weighted import FLOOR, Weighted, fitted_weights


@dataclass(frozen=True)
class Fixed:
    """Always the same rows."""

    rows: tuple = (0, 1, 2)
    name: str = "fixed"

    def select(self, matrices, size, seed):
        return even(np.array(self.rows))


def copies(counts=(6, 3, 1), methods=12, seed=0):
    """Sample k stands ``counts[k]`` times in the pool; the first of each come first. So its weight is its share."""
    kinds = np.random.default_rng(seed).normal(size=(methods, len(counts)))
    order = [*range(len(counts)), *(k for k, count in enumerate(counts) for _ in range(count - 1))]
    return matrix(kinds[:, order])


def test_the_shares_of_copied_samples_are_found():
    pool = copies()
    weights = fitted_weights([pool], np.array([0, 1, 2]), 1e-9)
    assert weights == pytest.approx([0.6, 0.3, 0.1], abs=1e-4)
    assert pool.values[:, :3] @ weights == pytest.approx(pool.truth, abs=1e-3)


def test_shrinkage_runs_from_the_fit_to_exactly_equal_weights():
    pool, rows = copies(), np.array([0, 1, 2])
    deviation = [np.abs(fitted_weights([pool], rows, s) - 1 / 3).max() for s in (0.01, 1.0, 100.0, np.inf)]
    assert deviation == sorted(deviation, reverse=True) and deviation[-1] == 0.0 < deviation[-2]


def test_weights_stay_above_the_floor_where_a_sample_misleads():
    kinds = np.random.default_rng(1).normal(size=(12, 2))
    pool = matrix(np.column_stack([kinds[:, 0], -kinds[:, 0], *[kinds[:, 0]] * 30]))  # its share is 1 of 32
    weights = fitted_weights([pool], np.array([0, 1]), 0.01)
    assert weights.sum() == pytest.approx(1) and weights[1] == pytest.approx(FLOOR / 2, rel=0.05)


def test_the_folds_choose_weights_where_they_rank_better_and_equal_ones_where_nothing_is_to_gain():
    pool = copies((30, 1, 1), methods=30)  # nearly all of the pool is like sample 0
    found = Weighted(base=Fixed()).select([pool], 3, 0)
    assert found.weights[0] > 0.8 and np.isfinite(found.details["strength"])
    plain = even(np.arange(3)).estimate(pool)
    assert tau_b(found.estimate(pool), pool.truth) > tau_b(plain, pool.truth) + 0.1
    same = matrix(np.repeat(np.random.default_rng(2).normal(size=(12, 1)), 9, axis=1))
    assert Weighted(base=Fixed()).select([same], 3, 0).weights.tolist() == [1 / 3] * 3


def test_too_few_methods_to_leave_any_out_keep_equal_weights():
    found = Weighted(base=Fixed()).select([matrix(noisy(5, 20).values)], 3, 0)
    assert found.weights.tolist() == [1 / 3] * 3 and found.details["strength"] == float("inf")
