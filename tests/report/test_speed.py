from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from effbench.report.rounds import batch_size_of, log_ratios, round_medians
from effbench.report.speed import rounds_needed, time_ratio

A = {"r001": 11.0, "r002": 12.5, "r003": 10.4, "r004": 13.0}
B = {"r001": 10.0, "r002": 10.5, "r003": 10.1, "r004": 11.0}


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
    assert log_ratios({"r1": 0.0, "r2": 2.0}, {"r1": 1.0, "r2": 1.0}) == {"r2": math.log(2)}


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


@pytest.mark.parametrize(("count_a", "count_b", "spread"), [(3, 3, 1.0), (4, 8, 3.0), (8, 8, 1.0)])
def test_the_interval_through_the_reference_covers(count_a: int, count_b: int, spread: float) -> None:
    """Nominal 95 %; Welch's approximation is known to cover a little more with three rounds a side."""
    generator = np.random.default_rng(7)
    truth, covered = math.log(1.2), 0
    for _ in range(4000):
        a = {f"a{i}": math.exp(v) for i, v in enumerate(generator.normal(truth, 0.02, count_a))}
        b = {f"b{i}": math.exp(v) for i, v in enumerate(generator.normal(0, 0.02 * spread, count_b))}
        found = time_ratio(a, b, dict.fromkeys(a, 1.0), dict.fromkeys(b, 1.0), 0.95)
        assert found.interval is not None
        covered += found.interval.low <= 1.2 <= found.interval.high
    assert 0.94 <= covered / 4000 <= 0.98


def test_the_batch_size_stands_in_the_name_or_is_the_first() -> None:
    assert batch_size_of("latency_p50_ms@b8", (1, 8)) == 8
    assert batch_size_of("speedup", (2, 8)) == 2
    assert batch_size_of("speedup", ()) is None


def test_medians_are_of_one_batch_size_and_machine(make, tmp_path) -> None:
    from effbench.store import CellFolder

    raw = make.Raw(make.cell("ref"), rounds={"r001": [1.0, 9.0, 2.0], "r002": [4.0]}, batch_size=8)
    view = make.raw_store(tmp_path, raw)
    folder = CellFolder(tmp_path / "cells" / view.cells[0].id)
    assert round_medians(folder, 8, "feedc0ffee12") == {"r001": 2.0, "r002": 4.0}
    assert round_medians(folder, 1, "feedc0ffee12") == {}
    assert round_medians(folder, 8, "another") == {}
