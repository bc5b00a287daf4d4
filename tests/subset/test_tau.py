"""tau-b with a margin: against scipy, by its symmetries, and the three ways against one another to the last bit."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from effbench.subset.tau import tau_b, taus, taus_reference, taus_torch


@pytest.mark.parametrize("ties", [False, True])
def test_without_margin_it_is_scipys_tau_b(ties):
    rng = np.random.default_rng(1)
    for _ in range(50):
        a, b = rng.normal(size=(2, 15))
        if ties:
            a, b = np.round(a), np.round(b)
        assert tau_b(a, b) == pytest.approx(kendalltau(a, b).statistic, abs=1e-12)


def test_order_and_reverse_are_plus_and_minus_one_and_sides_are_alike():
    x = np.random.default_rng(2).normal(size=20)
    y = np.random.default_rng(3).normal(size=20)
    assert tau_b(x, np.exp(x)) == 1.0
    assert tau_b(x, -x) == -1.0
    assert tau_b(x, y, 0.3) == pytest.approx(tau_b(y, x, 0.3), abs=1e-15)


def test_a_margin_ties_pairs_by_the_published_rule():
    truth, ours = np.array([0.0, 1.0, 2.0, 2.05]), np.array([0.0, 0.05, 2.0, 1.0])
    # pairs: 01 tied in ours only (T1), 23 tied in the truth only (T2), four concordant
    assert tau_b(ours, truth, 0.1) == pytest.approx(4 / np.sqrt(5 * 5))
    assert np.isnan(tau_b(np.zeros(4), truth, 0.1))


@pytest.mark.parametrize("margin", [0.0, 0.02])
@pytest.mark.parametrize("size", [1, 7, 50])
def test_compiled_and_torch_equal_the_reference_to_the_last_bit(margin, size):
    rng = np.random.default_rng(4)
    columns = np.round(rng.normal(size=(60, 13)), 1)
    truth = columns.mean(0)
    sets = np.stack([rng.choice(60, size, replace=False) for _ in range(200)])
    expected = taus_reference(columns, truth, sets, margin)
    assert (taus(columns, truth, sets, margin) == expected).all()
    # torch's vectorised square root and quotient round as the processor does: one epsilon apart on some, nothing on others.
    assert np.abs(taus_torch(columns, truth, sets, margin).numpy() - expected).max() <= np.finfo(np.float64).eps
    assert len(set(expected)) > 20
