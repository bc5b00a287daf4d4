"""Input that nobody means to pass: each routine answers None (with its reason), a clear error, or the only possible value."""

import numpy as np
import pytest

from effbench.stats.bootstrap import (
    bootstrap_mean,
    bootstrap_replicates,
    interval_of,
    percentile_intervals,
    wilson_interval,
)
from effbench.stats.hierarchical import hierarchical_ratio_interval
from effbench.stats.holm import holm
from effbench.stats.order import clustered_quantile_interval, percentile, quantile_interval
from effbench.stats.paired import paired_difference
from effbench.stats.pareto import probability_non_dominated
from effbench.stats.permutation import sign_flip_p
from effbench.stats.rank import kendall_tau, rank_stability, tie_ranks
from effbench.stats.ratio import geometric_mean_ratio
from effbench.stats.resampled import Resampled, resampled_interval
from effbench.stats.series import autocorrelation_time, effective_size, mean_with_error, r_hat

OF_VALUES = {
    "bootstrap_mean": bootstrap_mean,
    "quantile_interval": lambda v: quantile_interval(v, 50, 0.95),
    "paired_difference": lambda v: paired_difference(v, np.zeros(len(v))).interval,
    "autocorrelation_time": autocorrelation_time,
    "effective_size": effective_size,
    "mean_with_error": lambda v: mean_with_error(v).error,
    "r_hat": lambda v: r_hat([v, v]),
    "kendall_tau": lambda v: kendall_tau(v, np.ones(len(v))),
}


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("routine", OF_VALUES.values(), ids=OF_VALUES.keys())
def test_too_few_samples_give_none(routine, n):
    assert routine(np.arange(1.0, n + 1)) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("routine", [*OF_VALUES.values(), sign_flip_p, lambda v: percentile(v, 50)])
def test_what_is_not_finite_is_refused_with_its_place(routine, bad):
    values = np.linspace(1, 2, 100)
    values[3] = bad
    with pytest.raises(ValueError, match=r"must be finite, got .* at position"):
        routine(values)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3])
@pytest.mark.parametrize("name", [name for name in OF_VALUES if name != "quantile_interval"])
def test_a_constant_series_says_nothing_about_its_error(name, value):
    assert OF_VALUES[name](np.full(100, value)) is None


def test_a_paired_difference_of_too_few_or_constant_pairs_says_so():
    nothing = paired_difference([], [])
    assert (nothing.value, nothing.p, nothing.n, nothing.reason) == (None, None, 0, "too_few_samples")
    for n, p in ((1, 1.0), (2, 0.5), (5, 2 / 32)):
        few = paired_difference(np.arange(1.0, n + 1), np.zeros(n))
        assert (few.p, few.interval, few.effect, few.n_needed, few.reason) == (p, None, None, None, "too_few_samples")
        assert few.value == (n + 1) / 2
    same = paired_difference(np.arange(40.0), np.arange(40.0))
    assert (same.value, same.p, same.interval, same.n_needed, same.reason) == (0.0, 1.0, None, None, "too_few_samples")
    shifted = paired_difference(np.arange(40.0) + 2, np.arange(40.0))
    assert (shifted.value, shifted.effect, shifted.reason) == (2.0, None, "too_few_samples")
    assert shifted.p < 0.001


def test_a_difference_of_exactly_zero_with_spread_is_no_reason_to_stop():
    found = paired_difference([1.0, -1.0] * 20, np.zeros(40))
    assert (found.value, found.effect, found.n_needed, found.reason) == (0.0, 0.0, None, None)
    assert found.interval.low < 0 < found.interval.high


MISSING_PAIRS = {
    "paired_difference": lambda: paired_difference([1.0, 2.0], [1.0]),
    "paired_difference of clusters": lambda: paired_difference([1.0, 2.0], [1.0, 2.0], clusters=["a"]),
    "bootstrap_mean": lambda: bootstrap_mean([1.0, 2.0], clusters=["a"]),
    "kendall_tau": lambda: kendall_tau([1.0, 2.0], [1.0]),
    "geometric_mean_ratio": lambda: geometric_mean_ratio([1.0, 2.0], [1.0], 0.95),
    "hierarchical_ratio_interval": lambda: hierarchical_ratio_interval([[1.0]] * 8, [[1.0]] * 7, 0.95, 100, 0),
    "probability_non_dominated": lambda: probability_non_dominated(np.ones((2, 3)), np.ones((2, 4)), True, True),
}


@pytest.mark.parametrize("call", MISSING_PAIRS.values(), ids=MISSING_PAIRS.keys())
def test_missing_pairs_are_refused_with_both_numbers(call):
    with pytest.raises(ValueError, match=r"\d.* and .*\d|got \d for \d"):
        call()


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_times_that_cannot_be_are_refused(bad):
    good = [[1.0, 1.1, 1.2]] * 8
    spoilt = [*good[:-1], [1.0, bad, 1.2]]
    with pytest.raises(ValueError, match=r"positive|finite"):
        geometric_mean_ratio([1.0, bad], [1.0, 1.0], 0.95)
    with pytest.raises(ValueError, match=r"positive|finite"):
        geometric_mean_ratio([1.0, 1.0], [1.0, bad], 0.95)
    with pytest.raises(ValueError, match=r"round 7.*(positive|finite)"):
        clustered_quantile_interval(spoilt, 50, 0.95)
    with pytest.raises(ValueError, match=r"method's times, round 7.*(positive|finite)"):
        hierarchical_ratio_interval(good, spoilt, 0.95, 100, 0)


def test_rounds_that_are_empty_too_few_or_all_the_same():
    with pytest.raises(ValueError, match="round 1, is empty"):
        clustered_quantile_interval([[1.0], [], [1.0]], 50, 0.95)
    for rounds in ([], [[1.0] * 9], [[1.0] * 9] * 2, [[1.0]] * 3):
        assert clustered_quantile_interval(rounds, 50, 0.95) is None
    for count in (0, 1, 2, 5):
        assert hierarchical_ratio_interval([[1.0, 2.0]] * count, [[1.0, 2.0]] * count, 0.95, 100, 0) is None
    assert hierarchical_ratio_interval([[0.3] * 5] * 8, [[0.1] * 5] * 8, 0.95, 100, 0) is None
    with pytest.raises(ValueError, match="got 0 and 0"):
        geometric_mean_ratio([], [], 0.95)
    assert geometric_mean_ratio([0.3] * 4, [0.1] * 4, 0.95) == (pytest.approx(3.0), None, 4)


def test_nothing_to_resample_and_nothing_drawn():
    assert bootstrap_replicates(lambda w: {"m": 1.0}, [], 10) == {}
    assert percentile_intervals(lambda w: {"m": 1.0}, ["a"], 300, 0.95, {}) == {}
    assert percentile_intervals(lambda w: {"m": 1.0}, list("ab"), 300, 0.95, {}) == {}
    assert interval_of(np.full(100, np.nan), 0.95, 40) is None
    assert interval_of(np.array([]), 0.95, 40) is None
    assert interval_of(np.zeros(100), 0.95, 40) == (0.0, 0.0)  # the distance of the reference to itself
    assert sign_flip_p([]) is None


@pytest.mark.parametrize("share", [(0, 0), (-1, 10), (11, 10), (np.nan, 10)])
def test_shares_that_cannot_be_are_refused(share):
    with pytest.raises(ValueError, match="a share needs"):
        wilson_interval(*share, 0.95)


@pytest.mark.parametrize("draws", [np.ones((0, 5)), np.ones((5, 0)), np.ones(5), np.full((2, 5), np.nan)])
def test_joint_draws_that_are_none_or_not_finite_are_refused(draws):
    with pytest.raises(ValueError):
        rank_stability(draws, True)
    with pytest.raises(ValueError):
        probability_non_dominated(draws, draws, True, True)


@pytest.mark.parametrize("bound", [(np.nan, 1.0), (0.0, np.inf), (2.0, 1.0)])
def test_intervals_that_are_none_are_not_ranked(bound):
    from effbench.stats.bootstrap import Interval

    with pytest.raises(ValueError, match="finite low <= high"):
        tie_ranks([Interval(0, 1), Interval(*bound)], True)


@pytest.mark.parametrize("p", [-0.1, 1.1, np.nan])
def test_p_values_that_cannot_be_are_refused(p):
    with pytest.raises(ValueError, match="p-value"):
        holm([0.1, None, p])


LEVELS = {
    "bootstrap_mean": lambda level: bootstrap_mean(np.arange(9.0), level=level),
    "interval_of": lambda level: interval_of(np.arange(9.0), level, 40),
    "wilson_interval": lambda level: wilson_interval(1, 2, level),
    "quantile_interval": lambda level: quantile_interval([1.0], 50, level),
    "clustered_quantile_interval": lambda level: clustered_quantile_interval([[1.0]], 50, level),
    "paired_difference": lambda level: paired_difference([1.0], [2.0], level=level),
    "geometric_mean_ratio": lambda level: geometric_mean_ratio([1.0], [2.0], level),
    "hierarchical_ratio_interval": lambda level: hierarchical_ratio_interval([[1.0]], [[2.0]], level, 10, 0),
    "mean_with_error": lambda level: mean_with_error([1.0], level),
}


@pytest.mark.parametrize("level", [0.0, 1.0, 95, np.nan])
@pytest.mark.parametrize("routine", LEVELS.values(), ids=LEVELS.keys())
def test_a_level_is_a_probability(routine, level):
    with pytest.raises(ValueError, match="confidence level"):
        routine(level)


def test_percents_resamples_and_shapes():
    for percent in (0, 100, -5):
        with pytest.raises(ValueError, match="between 0 and 100"):
            quantile_interval([1.0] * 9, percent, 0.95)
    with pytest.raises(ValueError, match="at least one value"):
        percentile([], 50)
    for call in (bootstrap_mean, sign_flip_p):
        with pytest.raises(ValueError, match="at least one resample"):
            call([1.0] * 9, resamples=0)
    with pytest.raises(ValueError, match="shape"):
        bootstrap_mean(np.ones((3, 3)))
    with pytest.raises(ValueError, match="dimensions"):
        mean_with_error(np.ones((2, 2, 2)))
    assert r_hat(np.ones((0, 10))) is None


@pytest.mark.parametrize(("value", "moved_by"), [(0.0, 0.3), (0.3, 0.3), (1e-9, 0.7)])
def test_replicates_that_are_all_the_same_give_an_interval_of_the_value_alone(value, moved_by):
    """Moved by way of a mean and a square root, they came to 1e-32 where the value is 0, which then lay outside."""
    found = Resampled(value, np.full(100, value + moved_by), np.zeros(0), np.zeros((0, 0)))
    interval = resampled_interval(found, 0.95, clusters=6, is_set=True, bounds=(0.0, 1.0))
    assert interval is not None and interval.low <= value <= interval.high
    assert interval.high - interval.low < 1e-12
