"""Ranks with ties, agreement of orders, stability, and the chance of standing on the front: by hand and against scipy."""

import numpy as np
import pytest
from scipy import stats

from effbench.stats.bootstrap import Interval
from effbench.stats.pareto import probability_non_dominated
from effbench.stats.rank import kendall_tau, rank_stability, tie_ranks


def test_methods_whose_intervals_overlap_share_a_rank():
    bounds = [Interval(0.8, 0.9), Interval(0.85, 0.95), Interval(0.5, 0.6), None, Interval(0.4, 0.82)]
    # the third lies below the first two; the fifth below the second only
    assert tie_ranks(bounds, higher_is_better=True) == [1, 1, 3, None, 2]
    assert tie_ranks(bounds, higher_is_better=False) == [2, 3, 1, None, 1]


def test_exact_values_touching_intervals_ties_and_a_single_method():
    assert tie_ranks([Interval(1, 1), Interval(1, 2), Interval(2.1, 3)], True) == [2, 2, 1]
    assert tie_ranks([Interval(1, 2)] * 4, True) == [1, 1, 1, 1]
    assert tie_ranks([Interval(1, 2)], False) == [1]
    assert tie_ranks([], True) == [] and tie_ranks([None], True) == [None]


@pytest.mark.parametrize("n", [2, 3, 10, 101, 2000])
@pytest.mark.parametrize("distinct", [2, 5, 10**6])
def test_tau_b_equals_scipy_with_any_number_of_ties(n, distinct):
    generator = np.random.default_rng([n, distinct])
    for _ in range(10):
        x, y = generator.integers(0, distinct, (2, n)).astype(float)
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            assert kendall_tau(x, y) is None
            continue
        assert kendall_tau(x, y) == pytest.approx(stats.kendalltau(x, y).statistic, abs=1e-12)


def test_tau_b_by_hand():
    assert kendall_tau([1, 2, 3, 4], [1, 2, 3, 4]) == 1.0
    assert kendall_tau([1, 2, 3, 4], [4, 3, 2, 1]) == -1.0
    assert kendall_tau([1, 2, 3], [1, 3, 2]) == pytest.approx(1 / 3)
    assert kendall_tau([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / np.sqrt(2 * 3))


def test_a_rank_is_kept_as_often_as_the_draws_say():
    draws = np.array([[3.0, 3, 1, 3], [2.0, 2, 2, 2], [1.0, 1, 3, 1]])
    assert rank_stability(draws, higher_is_better=True) == pytest.approx([0.75, 1.0, 0.75])
    assert rank_stability(draws, higher_is_better=False) == pytest.approx([0.75, 1.0, 0.75])


def test_tied_methods_and_a_single_one_keep_their_rank():
    assert rank_stability(np.ones((3, 5)), True) == pytest.approx([1, 1, 1])
    assert rank_stability(np.array([[1.0, 2.0]]), True) == pytest.approx([1])


def test_two_methods_that_cannot_be_told_apart_swap_ranks_half_the_time():
    kept = rank_stability(np.random.default_rng(0).normal(0, 1, (2, 4000)), True)
    assert kept[0] == kept[1] == pytest.approx(0.5, abs=0.03)


def test_the_front_by_hand():
    speed = np.array([[1.0, 1.0], [2.0, 2.0], [1.5, 3.0]])
    quality = np.array([[0.9, 0.9], [0.8, 0.8], [0.7, 0.7]])
    # the third is dominated by the second in the first draw only
    assert probability_non_dominated(speed, quality, True, True) == pytest.approx([1.0, 1.0, 0.5])
    assert probability_non_dominated(-speed, -quality, False, False) == pytest.approx([1.0, 1.0, 0.5])
    # with time on the axis the third beats nobody in quality, and in time it never beats the first
    assert probability_non_dominated(speed, quality, False, True) == pytest.approx([1.0, 0.0, 0.0])


def test_equal_methods_do_not_dominate_each_other_but_one_equal_axis_suffices():
    assert probability_non_dominated(np.ones((3, 2)), np.ones((3, 2)), True, True) == pytest.approx([1, 1, 1])
    assert probability_non_dominated(np.ones((1, 2)), np.ones((1, 2)), True, False) == pytest.approx([1])
    better_on_one = probability_non_dominated(np.ones((2, 1)), np.array([[1.0], [2.0]]), True, True)
    assert better_on_one == pytest.approx([0.0, 1.0])


def test_joint_draws_matter():
    generator = np.random.default_rng(0)
    common = generator.normal(0, 1, 4000)
    better = np.array([common, common + 0.1])
    joint = probability_non_dominated(better, better, True, True)
    apart = probability_non_dominated(*generator.normal([[[0], [0.1]]], 1, (2, 2, 4000)), True, True)
    assert joint == pytest.approx([0.0, 1.0])
    assert apart[0] == pytest.approx(0.72, abs=0.03)  # 1 - P(N(0.1, 2) > 0)^2
