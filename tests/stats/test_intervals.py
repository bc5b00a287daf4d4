"""Known answers and coverage of the interval routines."""

import numpy as np
import pytest

from effbench.stats.bootstrap import cluster_weights, percentile_intervals, wilson_interval
from effbench.stats.order import quantile_interval
from effbench.stats.ratio import geometric_mean_ratio


@pytest.mark.parametrize("rounds", [3, 5, 8])
def test_the_ratio_interval_covers_95_percent(rounds):
    generator, hits, simulations = np.random.default_rng(rounds), 0, 4000
    for noise in generator.normal(0, 0.1, (simulations, 2, rounds)):
        low, high = geometric_mean_ratio(np.exp(noise[0]) * 1.5, np.exp(noise[1]), 0.95).interval
        hits += low <= 1.5 <= high
    assert 0.94 <= hits / simulations <= 0.96


def test_the_ratio_is_a_geometric_mean_and_needs_three_rounds_for_an_interval():
    assert geometric_mean_ratio([2, 8], [1, 1], 0.95) == (pytest.approx(4.0), None, 2)
    assert geometric_mean_ratio([2, 2, 2], [1, 1, 1], 0.95).interval == (pytest.approx(2), pytest.approx(2))


@pytest.mark.parametrize("bad", [([], []), ([1], [1, 2]), ([0.0], [1]), ([-1], [1]), ([np.nan], [1]), ([np.inf], [1])])
def test_times_that_make_no_ratio_are_refused(bad):
    with pytest.raises(ValueError):
        geometric_mean_ratio(*bad, 0.95)


def test_the_median_interval_is_the_tabulated_one():
    # n = 10: the 2nd and 9th of ten cover the median with 97.9 %; one rank further in only with 89.1 %.
    assert quantile_interval(range(1, 11), 50, 0.95) == (2, 9)
    assert quantile_interval(range(1, 7), 50, 0.95) == (1, 6)
    assert quantile_interval(range(1, 6), 50, 0.95) is None
    assert quantile_interval([], 50, 0.95) is None


@pytest.mark.parametrize("n", [6, 20, 101])
def test_the_median_interval_covers_at_least_95_percent(n):
    generator, hits = np.random.default_rng(n), 0
    for values in generator.exponential(1.0, (4000, n)):
        low, high = quantile_interval(values, 50, 0.95)
        hits += low <= np.log(2) <= high
    assert hits / 4000 >= 0.945


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_wilson_covers_about_95_percent(share):
    draws = np.random.default_rng(1).binomial(40, share, 4000)
    hits = [low <= share <= high for low, high in (wilson_interval(k, 40, 0.95) for k in draws)]
    assert 0.92 <= np.mean(hits) <= 0.985  # a discrete variable: it oscillates around the level
    assert wilson_interval(40, 40, 0.95).high == 1.0 and wilson_interval(40, 40, 0.95).low < 0.95
    assert wilson_interval(0, 40, 0.95).low == 0.0


def test_all_rows_of_a_cluster_are_drawn_together():
    clusters = ["a", "b", "a", "c"]
    for weights in cluster_weights(clusters, 50, 0):
        assert weights[0] == weights[2]
        assert weights[0] + weights[1] + weights[3] == 3


def test_the_bootstrap_of_a_mean_covers_and_a_single_sample_has_no_interval():
    generator, hits = np.random.default_rng(0), 0
    ids = [str(i) for i in range(60)]
    for values in generator.normal(0, 1, (400, 60)):
        found = percentile_intervals(lambda w, v=values: {"m": float(w @ v / w.sum())}, ids, 300, 0.95, {})
        hits += found["m"].low <= 0 <= found["m"].high
    assert 0.90 <= hits / 400 <= 0.98
    assert percentile_intervals(lambda w: {"m": 1.0}, ["a"], 300, 0.95, {}) == {}
