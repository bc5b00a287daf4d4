"""Rounds x items: one item is the t interval over rounds, several know both, gaps and degenerate tables are faced."""

import numpy as np
import pytest
from scipy import stats

from effbench.report.speed import time_ratio
from effbench.stats.items import item_ratio, log_difference, log_mean
from effbench.stats.ratio import geometric_mean_ratio
from effbench.timings import Timings


def table(seed, rounds, items, of_round=0.02, of_item=0.1, rest=0.01, mean=0.4):
    generator = np.random.default_rng(seed)
    both = generator.normal(0, of_round, (rounds, 1)) + generator.normal(0, of_item, (1, items))
    return mean + both + generator.normal(0, rest, (rounds, items))


def one_call(name, wall):
    return Timings({name: [wall]}, noise={name: {}}, items={name: [0]})


@pytest.mark.parametrize("rounds", [1, 2, 3, 7])
def test_one_item_is_today_s_ratio_to_the_last_bit(rounds):
    generator = np.random.default_rng(rounds)
    reference, method = generator.gamma(9, 1, (2, rounds))
    alone = np.log(reference / method)
    assert item_ratio(alone[:, None], 0.95) == geometric_mean_ratio(reference, method, 0.95)
    beside_nothing = np.stack([np.full(rounds, np.nan), alone], axis=1)
    assert item_ratio(beside_nothing, 0.95) == geometric_mean_ratio(reference, method, 0.95)


def test_a_full_table_has_the_two_way_error_by_hand():
    logs = np.array([[1.0, 2.0, 3.0, 6.0], [2.0, 2.0, 5.0, 7.0], [3.0, 5.0, 4.0, 8.0]])  # see test_trainings
    found = log_mean(logs)
    assert found.value == 4 and found.rounds == 3 and found.items == 4
    assert found.of_rounds == pytest.approx([-1, 0, 1]) and found.of_items == pytest.approx([-2, -1, 0, 3])
    assert (*found.kept, found.rest) == pytest.approx((1 / 3, 2, 1 / 18))
    assert found.error.variance == pytest.approx(1 / 3 + (14 / 3) / 4 - 1 / 18)
    down, across = found.shares()
    assert down @ down + across @ across == pytest.approx(found.error.variance)
    assert found.p == pytest.approx(2 * stats.t.sf(4 / np.sqrt(found.error.variance), found.error.freedom))


def test_items_that_differ_widen_the_interval_and_items_alike_leave_student_s_t_over_rounds():
    alike = np.random.default_rng(0).normal(0, 0.02, (5, 1)) + np.zeros((1, 3))
    over_rounds = geometric_mean_ratio(np.exp(alike[:, 0]), np.ones(5), 0.95).interval
    assert item_ratio(alike, 0.95).interval == pytest.approx(over_rounds)
    differing = alike + np.array([-0.3, 0.0, 0.3])
    assert item_ratio(differing, 0.95).value == pytest.approx(item_ratio(alike, 0.95).value)
    low, high = np.log(item_ratio(differing, 0.95).interval)
    assert high - low > 2 * 0.6  # t of 2 degrees of freedom


def test_order_does_not_matter_and_a_gap_is_filled_as_the_other_cells_say():
    logs = table(0, 5, 4)
    found = item_ratio(logs, 0.95)
    shuffled = item_ratio(logs[[3, 0, 4, 2, 1]][:, [2, 0, 3, 1]], 0.95)
    assert shuffled.value == pytest.approx(found.value) and shuffled.interval == pytest.approx(found.interval)
    gap = logs.copy()
    gap[1, 2] = np.nan
    holed = item_ratio(gap, 0.95)
    naive = np.nanmean(gap)
    assert abs(np.log(holed.value) - logs.mean()) < abs(naive - logs.mean())
    assert holed.interval == pytest.approx(found.interval, rel=0.05)


def test_items_count_alike_although_one_was_timed_less_often():
    logs = np.array([[0.0, 1.0], [0.0, np.nan], [0.0, 1.0], [0.0, 1.0]]) + np.array([[1e-3], [0], [-1e-3], [0]])
    assert log_mean(logs).value == pytest.approx(0.5, abs=0.01)  # the mean of the cells is 0.43


def test_rounds_of_one_item_each_take_the_larger_error_of_rounds_and_items():
    logs = np.full((6, 3), np.nan)
    logs[np.arange(6), np.arange(6) % 3] = [0.1, 0.5, 0.9, 0.1, 0.5, 0.91]
    error = log_mean(logs).error
    means = [0.1, 0.5, 0.905]
    assert error == pytest.approx((np.var(means, ddof=1) / 3, 2))


def test_limits_are_those_of_the_ratio_over_rounds():
    assert item_ratio(table(0, 2, 5), 0.95).interval is None
    assert item_ratio(np.tile([0.1, 0.3, 0.5], (4, 1)), 0.95).interval is None  # no round differs from another
    assert log_mean(np.zeros((4, 2))).p is None and log_mean(np.zeros((4, 2))).interval(0.95) is None
    with pytest.raises(ValueError, match="no round timed any item"):
        item_ratio(np.full((3, 2), np.nan), 0.95)
    with pytest.raises(ValueError, match="rounds, items"):
        item_ratio(np.array([0.1, 0.2]), 0.95)
    with pytest.raises(ValueError, match="finite"):
        item_ratio(np.array([[0.1], [np.inf]]), 0.95)


def test_through_the_reference_one_item_is_welch_and_what_is_peculiar_to_items_cancels():
    a, b = table(1, 4, 1, rest=0.05), table(2, 6, 1, rest=0.05)
    difference = log_difference(log_mean(a), log_mean(b))
    times, ones = [], []
    for side, logs in (("a", a), ("b", b)):
        walls = {f"{side}{i}": float(np.exp(value)) for i, value in enumerate(logs[:, 0])}
        times.append({name: one_call(name, wall) for name, wall in walls.items()})
        ones.append({name: one_call(name, 1.0) for name in walls})
    today = time_ratio(times[0], times[1], ones[0], ones[1], 0.95)
    assert np.exp(difference.value) == pytest.approx(today.value)
    assert np.exp(difference.interval(0.95)) == pytest.approx(today.interval)
    assert (difference.p, difference.effect) == pytest.approx((today.p, today.effect))
    shared = np.array([-0.5, 0.0, 0.5])
    both = [log_mean(table(seed, 4, 3, of_item=0.0) + shared) for seed in (3, 4)]
    assert both[0].error.variance > 0.05
    assert log_difference(*both).error.variance < 0.002
    with pytest.raises(ValueError, match="same items"):
        log_difference(both[0], log_mean(a))
