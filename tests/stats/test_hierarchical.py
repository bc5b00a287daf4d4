"""The bootstrap over rounds, then calls: the shortcut for medians against drawing them, and what each level adds."""

import numpy as np
import pytest

from effbench.stats.hierarchical import _median_logs, hierarchical_ratio_interval
from effbench.stats.ratio import geometric_mean_ratio


def times(rounds, calls, between, within, seed=0, ratio=1.0):
    generator = np.random.default_rng(seed)
    return ratio * np.exp(generator.normal(0, between, (rounds, 1)) + generator.normal(0, within, (rounds, calls)))


@pytest.mark.parametrize("calls", [1, 2, 7, 12])
def test_the_drawn_median_has_the_distribution_of_the_median_of_a_resample(calls):
    generator = np.random.default_rng(calls)
    values = np.exp(generator.normal(0, 1, calls))
    shortcut = _median_logs([values], np.zeros((20_000, 1), int), generator)[:, 0]
    direct = np.log(np.median(values[generator.integers(0, calls, (20_000, calls))], axis=1))
    quantiles = [0.05, 0.2, 0.4, 0.6, 0.8, 0.95]
    assert np.quantile(shortcut, quantiles) == pytest.approx(np.quantile(direct, quantiles), abs=0.06)
    assert shortcut.std() == pytest.approx(direct.std(), rel=0.03)


def test_it_agrees_with_the_t_interval_on_twenty_rounds():
    a, b = times(20, 21, 0.05, 0.05, ratio=1.5), times(20, 21, 0.05, 0.05, seed=1)
    expected = geometric_mean_ratio(np.median(a, 1), np.median(b, 1), 0.95)
    found = hierarchical_ratio_interval(a, b, 0.95, 4000, 0)
    assert found == pytest.approx(expected.interval, rel=0.006)
    assert found.low < expected.value < found.high


@pytest.mark.parametrize("between", [0.0, 0.1])
def test_the_calls_are_not_counted_twice(between):
    a, b = times(20, 9, between, 0.2), times(20, 9, between, 0.2, seed=1)
    logs = np.log(np.median(a, 1) / np.median(b, 1))
    found = hierarchical_ratio_interval(a, b, 0.95, 4000, 0)
    assert np.log(found.high / found.low) == pytest.approx(2 * 2.09 * logs.std(ddof=1) / np.sqrt(20), rel=0.05)


def test_rounds_of_unequal_length_and_the_same_seed():
    rounds = [list(times(1, calls, 0.05, 0.05, seed=calls)[0]) for calls in (3, 4, 5, 6, 7, 8, 50)]
    again = [hierarchical_ratio_interval(rounds, rounds[::-1], 0.95, 500, seed) for seed in (0, 0, 1)]
    assert again[0] == again[1] != again[2]
