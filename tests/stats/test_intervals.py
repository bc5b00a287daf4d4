"""Known answers of the interval routines; what they cover is measured in test_coverage.py."""

import numpy as np
import pytest

from effbench.stats.order import clustered_quantile_interval, percentile, quantile_interval
from effbench.stats.ratio import geometric_mean_ratio


def test_the_ratio_is_a_geometric_mean_and_needs_three_rounds_for_an_interval():
    assert geometric_mean_ratio([2, 8], [1, 1], 0.95) == (pytest.approx(4.0), None, 2)
    # log ratios -1, 0, 1: t(0.975, 2) = 4.3027, standard error 1 / sqrt(3)
    found = geometric_mean_ratio(np.exp([-1, 0, 1]), [1, 1, 1], 0.95)
    assert found.value == pytest.approx(1.0)
    assert found.interval == pytest.approx((np.exp(-4.3027 / 3**0.5), np.exp(4.3027 / 3**0.5)), rel=1e-4)


def test_the_median_interval_is_the_tabulated_one():
    # n = 10: the 2nd and 9th of ten cover the median with 97.9 %; one rank further in only with 89.1 %.
    assert quantile_interval(range(1, 11), 50, 0.95) == (2, 9)
    assert quantile_interval(range(1, 7), 50, 0.95) == (1, 6)
    assert quantile_interval(range(1, 6), 50, 0.95) is None
    assert quantile_interval([], 50, 0.95) is None


def test_order_statistics_of_a_constant_are_the_constant():
    assert quantile_interval([3.0] * 10, 50, 0.95) == (3.0, 3.0)
    assert clustered_quantile_interval([[3.0] * 4] * 3, 50, 0.95) == (3.0, 3.0)
    assert percentile([3.0], 50) == 3.0


def test_rounds_that_agree_give_the_interval_of_independent_calls_and_rounds_that_differ_a_wider_one():
    calls = np.random.default_rng(0).permutation(np.linspace(9, 11, 60)).reshape(6, 10)
    independent = quantile_interval(calls.ravel(), 50, 0.95)
    alike = [np.linspace(9, 11, 10)] * 6
    assert clustered_quantile_interval(alike, 50, 0.95) == quantile_interval(np.ravel(alike), 50, 0.95)
    moved = clustered_quantile_interval(calls + np.linspace(-1, 1, 6)[:, None], 50, 0.95)
    assert moved.high - moved.low > 1.5 * (independent.high - independent.low)


def test_three_rounds_far_apart_reach_beyond_their_calls_for_the_median_and_give_no_p90():
    rounds = [np.linspace(0.99, 1.01, 20) * centre for centre in (10, 11, 12)]
    low, high = clustered_quantile_interval(rounds, 50, 0.95)
    assert low < 9.9 and high > 12.12
    assert quantile_interval(np.ravel(rounds), 90, 0.95) is not None
    assert clustered_quantile_interval(rounds, 90, 0.95) is None


def test_a_round_weighs_the_same_however_many_calls_it_holds():
    few = [np.linspace(0.95, 1.05, 20) * centre for centre in (1.0, 1.02, 1.04, 1.06, 1.08, 1.1, 1.12, 1.14)]
    many = [*few[:-1], np.repeat(few[-1], 50)]  # the slowest round is asked fifty times as often
    apart = np.subtract(clustered_quantile_interval(few, 50, 0.95), clustered_quantile_interval(many, 50, 0.95))
    assert abs(apart[0]) < 0.01
    assert (
        quantile_interval(np.concatenate(many), 50, 0.95).low > clustered_quantile_interval(many, 50, 0.95).low + 0.05
    )
