from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from effbench.raw import RawCell
from effbench.report.speed import TimeRatio, rounds_needed, shared_logs
from effbench.report.speed import time_ratio as time_ratio_of
from effbench.report.summarise import summarise
from effbench.timings import Timings

A = {"r001": 11.0, "r002": 12.5, "r003": 10.4, "r004": 13.0}
B = {"r001": 10.0, "r002": 10.5, "r003": 10.1, "r004": 11.0}


def timings(medians: Mapping[str, float | Mapping[int, float]]) -> dict[str, Timings]:
    """One call per round and item, in ms."""
    found = {}
    for name, times in medians.items():
        by_item = times if isinstance(times, Mapping) else {0: times}
        walls = [1e6 * ms for ms in by_item.values()]
        found[name] = Timings({name: walls}, noise={name: {}}, items={name: list(by_item)})
    return found


def time_ratio(a: Any, b: Any, reference_of_a: Any, reference_of_b: Any, level: float) -> TimeRatio:
    return time_ratio_of(*map(timings, (a, b, reference_of_a, reference_of_b)), level)


def test_shared_rounds_give_the_paired_t_test_on_log_ratios() -> None:
    found = time_ratio(A, B, {}, {}, 0.95)
    logs = [math.log(A[name] / B[name]) for name in A]
    test = ttest_1samp(logs, 0)
    low, high = test.confidence_interval(0.95)
    assert found.value == pytest.approx(math.exp(np.mean(logs)))
    assert found.interval == pytest.approx((math.exp(low), math.exp(high)))
    assert found.p == pytest.approx(test.pvalue)
    assert found.effect == pytest.approx(np.mean(logs) / np.std(logs, ddof=1))
    assert (found.rounds, found.through_reference, found.reason) == (4, False, "")


def test_only_shared_rounds_count() -> None:
    more = {**A, "r009": 99.0}
    assert time_ratio(more, {**B, "r008": 1.0}, {}, {}, 0.95) == time_ratio(A, B, {}, {}, 0.95)


def test_without_shared_rounds_the_reference_joins_the_two() -> None:
    reference_a = {"r001": 10.0, "r002": 11.0, "r003": 10.0, "r004": 12.0}
    later = {"r005": 9.0, "r006": 9.5, "r007": 9.2}
    reference_b = {"r005": 10.0, "r006": 10.2, "r007": 10.4}
    found = time_ratio(A, later, reference_a, reference_b, 0.95)
    first = [math.log(A[name] / reference_a[name]) for name in A]
    second = [math.log(later[name] / reference_b[name]) for name in later]
    test = ttest_ind(first, second, equal_var=False)
    low, high = test.confidence_interval(0.95)
    assert found.value == pytest.approx(math.exp(np.mean(first) - np.mean(second)))
    assert found.interval == pytest.approx((math.exp(low), math.exp(high)))
    assert found.p == pytest.approx(test.pvalue)
    assert (found.rounds, found.through_reference) == (3, True)


def test_too_few_rounds_give_a_value_at_most() -> None:
    two = {name: A[name] for name in ("r001", "r002")}
    found = time_ratio(two, B, {}, {}, 0.95)
    assert found.value == pytest.approx(math.sqrt(11 / 10 * 12.5 / 10.5))
    assert (found.interval, found.p, found.effect) == (None, None, None)
    assert found.reason == "2 shared rounds, 3 give an interval"
    nothing = time_ratio({}, B, {}, {}, 0.95)
    assert (nothing.value, nothing.reason) == (None, "no round holds both")


def test_rounds_that_never_vary_have_no_interval() -> None:
    same = {name: 2 * time for name, time in B.items()}
    found = time_ratio(same, B, {}, {}, 0.95)
    assert found.value == pytest.approx(2.0)
    assert (found.interval, found.p, found.reason) == (None, None, "all rounds gave the same ratio")
    through = time_ratio(
        same, {f"x{name}": time for name, time in B.items()}, B, {f"x{n}": t for n, t in B.items()}, 0.95
    )
    assert (through.interval, through.through_reference) == (None, True)


def test_a_time_of_zero_is_left_out() -> None:
    logs = shared_logs(timings({"r1": 0.0, "r2": 2.0}), timings({"r1": 1.0, "r2": 1.0}))
    assert logs.rounds == ("r2",) and logs.values.tolist() == [[math.log(2)]]


def test_items_that_vary_widen_the_interval_and_more_rounds_do_not_narrow_it() -> None:
    generator = np.random.default_rng(2)
    deviations = np.array([-1.0, 1.0, -1.0, 1.0, -1.0, 1.0])

    def both(rounds: int, spread: float) -> TimeRatio:
        a = {
            f"r{r:03d}": {i: 10 * math.exp(0.3 + spread * deviations[i] + generator.normal(0, 0.01)) for i in range(6)}
            for r in range(rounds)
        }
        return time_ratio(a, {name: dict.fromkeys(range(6), 10.0) for name in a}, {}, {}, 0.95)

    alike, few, many = both(5, 0.0), both(5, 0.2), both(60, 0.2)
    widths = [math.log(found.interval.high / found.interval.low) for found in (alike, few, many)]
    assert [found.items for found in (alike, few, many)] == [6, 6, 6] and many.rounds == 60
    assert widths[0] < 0.05
    # Six items deviate by 0.2: t_5 0.2 / sqrt(5) on either side, whatever the number of rounds.
    assert widths[1:] == pytest.approx([2 * 2.5706 * 0.2 / math.sqrt(5)] * 2, rel=0.05)


def test_an_item_that_one_method_did_not_time_is_left_out_of_the_ratio() -> None:
    a = {name: {0: 2 * ms, 1: 99.0} for name, ms in B.items()}
    found = time_ratio(a, {name: {0: ms} for name, ms in B.items()}, {}, {}, 0.95)
    assert (found.value, found.items, found.rounds) == (pytest.approx(2.0), 1, 4)


def test_items_are_matched_through_the_reference_by_their_number() -> None:
    """Both are twice the reference on either item; the order in which items were called must not matter."""
    jitter = [1.0, 1.01, 0.99]
    a = {f"a{r}": {0: 20 * j, 1: 400 * j} for r, j in enumerate(jitter)}
    b = {f"b{r}": {1: 400 / j, 0: 20 / j} for r, j in enumerate(jitter)}
    plain_a, plain_b = ({name: {0: 10.0, 1: 100.0} for name in side} for side in (a, b))
    found = time_ratio(a, b, plain_a, plain_b, 0.95)
    assert found.through_reference and found.items == 2
    assert found.value == pytest.approx(1.0, abs=0.01)
    # What is peculiar to an item (2x and 4x the reference) is the same of both and cancels.
    assert 0.95 < found.interval.low < 1 < found.interval.high < 1.05


def test_rounds_needed_finds_an_effect_four_times_in_five() -> None:
    assert rounds_needed(0.0, 0.95) is None
    assert rounds_needed(1e-6, 0.95) is None
    assert rounds_needed(100.0, 0.95) == 3
    n = rounds_needed(1.0, 0.95)
    assert n == 10  # noncentral t: power 0.80 at n = 10, 0.75 at 9
    generator = np.random.default_rng(1)
    p = ttest_1samp(generator.normal(1.0, 1.0, (4000, n)), 0, axis=1).pvalue
    assert np.mean(p < 0.05) == pytest.approx(0.8, abs=0.03)
    assert rounds_needed(1.0, 0.99) > n


@pytest.mark.parametrize(
    ("count_a", "count_b", "spread"),
    [(4, 8, 3.0), pytest.param(3, 3, 1.0, marks=pytest.mark.proof), pytest.param(8, 8, 1.0, marks=pytest.mark.proof)],
)
def test_the_interval_through_the_reference_covers(count_a: int, count_b: int, spread: float) -> None:
    """Nominal 95 %; Welch's approximation is known to cover a little more with three rounds a side."""
    generator = np.random.default_rng(7)
    truth, covered = math.log(1.2), 0
    repeats = 4000 if spread == 1.0 else 1500
    for _ in range(repeats):
        a = {f"a{i}": math.exp(v) for i, v in enumerate(generator.normal(truth, 0.02, count_a))}
        b = {f"b{i}": math.exp(v) for i, v in enumerate(generator.normal(0, 0.02 * spread, count_b))}
        found = time_ratio(a, b, dict.fromkeys(a, 1.0), dict.fromkeys(b, 1.0), 0.95)
        assert found.interval is not None
        covered += found.interval.low <= 1.2 <= found.interval.high
    assert 0.94 <= covered / repeats <= 0.98


def test_the_batch_size_stands_in_the_name_or_is_the_first(make: Any, tmp_path: Path) -> None:
    cell = make.cell("ref")
    assert RawCell(cell, tmp_path, (1, 8)).batch_size_of("latency_p50_ms@b8") == 8
    assert RawCell(cell, tmp_path, (2, 8)).batch_size_of("speedup") == 2
    assert RawCell(cell, tmp_path).batch_size_of("speedup") is None


def test_rounds_are_of_one_batch_size_and_machine(make: Any, tmp_path: Path) -> None:
    raw = make.Raw(make.cell("ref"), rounds={"r001": [1.0, 9.0, 2.0], "r002": [4.0]}, batch_size=8)
    (workload,) = summarise(make.raw_store(tmp_path, raw, batch_sizes=(8, 1))).workloads
    (found,) = workload.raw
    medians = {name: timing.medians(name) for name, timing in found.rounds("latency_p50_ms").items()}
    assert medians == {"r001": {0: 2e6}, "r002": {0: 4e6}}
    assert found.rounds("latency_p50_ms@b1") == {}
    provenance = found.record.provenance.model_copy(update={"machine": "another"})
    elsewhere = found.record.model_copy(update={"provenance": provenance})
    assert RawCell(elsewhere, found.path, (8,)).rounds("latency_p50_ms") == {}
