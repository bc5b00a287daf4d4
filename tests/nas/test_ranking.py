import time

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from effbench.nas.ranking import Ranking

few_values = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=30)


@settings(max_examples=200, deadline=None)
@given(few_values)
def test_tau_is_scipys_of_the_repeated_list(rows):
    """Taking an architecture twice is the same as listing it twice; scipy knows no weights."""
    scores, truth, taken = (np.array(column, float) for column in zip(*rows))
    assume(taken.sum() > 1)
    found = Ranking(scores, truth).tau(taken)
    expected = kendalltau(np.repeat(scores, taken.astype(int)), np.repeat(truth, taken.astype(int))).statistic
    if found is None:
        assert np.isnan(expected)
    else:
        assert found == pytest.approx(expected, abs=1e-12)
        assert Ranking(scores, truth).tau(taken / 7) == pytest.approx(found, abs=1e-12)


def test_tau_of_a_list_and_its_reverse():
    truth = np.random.default_rng(0).normal(size=500)
    assert Ranking(truth, truth).tau(np.ones(500)) == pytest.approx(1.0, abs=1e-12)
    assert Ranking(-truth, truth).tau(np.ones(500)) == pytest.approx(-1.0, abs=1e-12)
    assert Ranking(np.zeros(500), truth).tau(np.ones(500)) is None
    assert Ranking(truth, truth).tau(np.zeros(500)) is None


def test_precision_at_a_share():
    rng = np.random.default_rng(1)
    truth, ones = rng.normal(size=1000), np.ones(1000)
    assert Ranking(truth, truth).precision_at(0.05, ones) == pytest.approx(1.0)
    assert Ranking(-truth, truth).precision_at(0.05, ones) == 0.0
    by_lot = [Ranking(rng.normal(size=1000), truth).precision_at(0.05, ones) for _ in range(400)]
    assert np.mean(by_lot) == pytest.approx(0.05, abs=0.006)  # four standard errors of 400 x 50 draws
    assert Ranking(np.zeros(1000), truth).precision_at(0.05, ones) == pytest.approx(0.05)
    assert Ranking(truth, truth).precision_at(0.05, np.zeros(1000)) is None


def test_precision_by_hand_with_ties():
    truth = np.array([4.0, 3.0, 3.0, 1.0])
    assert (
        Ranking(np.array([1.0, 9.0, 8.0, 0.0]), truth).precision_at(0.5, np.ones(4)) == 1.0
    )  # 3 ties for the second place
    assert Ranking(np.array([9.0, 1.0, 1.0, 1.0]), truth).precision_at(0.5, np.ones(4)) == pytest.approx(
        (1 + 2 / 3) / 2
    )
    assert Ranking(truth, truth).precision_at(0.05, np.ones(4)) == pytest.approx(1.0)  # a fifth of one architecture
    assert Ranking(truth, truth).precision_at(0.5, np.array([0, 2, 0, 2])) == pytest.approx(1.0)


def test_regret_by_hand():
    ranking = Ranking(np.array([3.0, 2.0, 1.0]), np.array([0.5, 0.9, 0.7]))
    assert ranking.regret_at(1, np.ones(3)) == pytest.approx(0.4)
    assert ranking.regret_at(2, np.ones(3)) == 0.0
    assert ranking.regret_at(1, np.array([1, 0, 1])) == pytest.approx(0.2)
    assert ranking.regret_at(1, np.zeros(3)) is None


@pytest.mark.parametrize(
    ("scores", "truth"), [([1.0], [1.0, 2.0]), ([np.nan, 1.0], [1.0, 2.0]), ([1.0, 2.0], [np.inf, 1.0])]
)
def test_what_cannot_be_ranked_is_refused(scores, truth):
    with pytest.raises(ValueError, match=r"as many scores|finite"):
        Ranking(np.array(scores), np.array(truth))


@pytest.mark.timing
def test_2000_resamples_of_7813_architectures_take_less_than_20_seconds():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=7813).round(3)
    ranking = Ranking(truth + rng.normal(size=7813), truth)
    ranking.tau(np.ones(7813))  # compiled
    started = time.perf_counter()
    taken = (np.bincount(rng.integers(0, 7813, 7813), minlength=7813) for _ in range(2000))
    found = [(ranking.tau(w), ranking.precision_at(0.05, w), ranking.regret_at(10, w)) for w in taken]
    seconds = time.perf_counter() - started
    print(f"{seconds:.1f} s")
    assert len(found) == 2000 and seconds < 20
