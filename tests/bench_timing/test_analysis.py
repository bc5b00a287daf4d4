"""What a run says, on made-up runs: harnesses that time alike, a planted difference, a busy parent, a dear loop."""

import random

import pytest

from bench_timing.analysis import Findings, chance_inside, findings_of, pooled_median, times_of
from bench_timing.callables import Spin, gaps_of
from bench_timing.measure import LAUNCHER, OPTIMUM, OURS, TORCH


def test_gaps_are_what_lies_between_the_calls_of_one_loop():
    first = ([1000, 5000, 9000], [4000, 8000, 12000])
    second = ([50_000, 54_000], [52_000, 55_000])
    median_us, mean_us, own_us = gaps_of([first, second])
    assert median_us == 1.0  # 1, 1 and 2 µs; the 38 µs between the loops are not the harness's
    assert mean_us == pytest.approx(4 / 3)
    assert own_us == 3.0
    with pytest.raises(ValueError, match="two calls"):
        gaps_of([([1], [2]), ([3], [4])])


def test_a_spin_notes_its_own_time():
    spin = Spin(2e-4)
    spin()
    spin()
    assert all(left - entered >= 200_000 for entered, left in zip(spin.entered, spin.left))
    assert len(spin.entered) == 2


def test_harnesses_that_time_alike_break_nothing(made_run):
    findings = findings_of(made_run())
    assert findings.broken == []
    assert {(row.peer, row.threads) for row in findings.agreements} == {
        (peer, threads) for peer in (TORCH, OPTIMUM) for threads in (1, 2)
    }
    for row in findings.agreements:
        assert row.ratio.interval.low < 1 < row.ratio.interval.high
        assert 0.85 <= row.expected <= 1
    for peer in (TORCH, OPTIMUM):
        assert 0 <= findings.chance_to_fall_short(peer) < 0.2


def test_the_chance_to_fall_short_is_binomial(made_run):
    findings = findings_of(made_run(repeats=5))
    rows = tuple(row._replace(expected=0.95) for row in findings.agreements)
    # ten repeats in all, of which nine must be inside: 1 - 0.95^10 - 10 * 0.95^9 * 0.05
    assert Findings(rows, (), ()).chance_to_fall_short(TORCH) == pytest.approx(0.0861, abs=1e-4)


def test_a_planted_difference_of_five_percent_is_caught(made_run):
    findings = findings_of(made_run(theirs=1.05))
    assert all(row.inside == 0 and not row.agrees for row in findings.agreements)
    assert [sentence for sentence in findings.broken if "0 of 16 repeats" in sentence]
    assert all(row.ratio.value == pytest.approx(1 / 1.05, rel=0.01) for row in findings.agreements)
    assert len([sentence for sentence in findings.broken if "not within noise" in sentence]) == 4


def test_noise_does_not_make_a_large_difference_an_agreement(made_run):
    row = findings_of(made_run(theirs=1.1)).agreements[0]
    assert not row._replace(noise=0.6).agrees
    assert row._replace(noise=0.6, ratio=row.ratio._replace(value=1.03)).agrees


def test_a_dear_loop_is_caught_where_a_harness_takes_one_time_per_call(made_run):
    cheap, dear = findings_of(made_run(our_overhead_us=1.4)), findings_of(made_run(our_overhead_us=1.6))
    assert cheap.broken == []
    assert [s for s in dear.broken if "optimum" in s and "1.76 µs" in s and "1.65 µs" in s]
    assert not [s for s in dear.broken if "torch" in s]  # dearer than blocks of ten thousand, which is no comparison
    assert {(row.harness, row.workload) for _, row in dear.compared_overheads} == {
        (OPTIMUM, "trivial"),
        (OPTIMUM, "spin"),
        (TORCH, "spin"),
    }


def test_the_busy_parent_is_paired_with_the_blocked_one(made_run):
    one, two = findings_of(made_run(busy=1.5)).busy
    assert one.to_blocked.interval.low < 1 < one.to_blocked.interval.high
    assert two.to_blocked.value == pytest.approx(1.5, rel=0.01)
    assert two.to_ours.value == pytest.approx(1.5, rel=0.01)
    assert (two.blocked_share, two.busy_share) == (0.001, 0.99)


def test_the_expected_share_is_one_for_equal_processes_and_falls_with_their_scatter():
    equal = [[5.0] * 20] * 5
    assert chance_inside(equal, equal, random.Random(0)) == 1.0
    near = [[5.0 + i / 1e3 for i in range(20)]] * 5
    far = [[9.0 + i / 1e3 for i in range(20)]] * 5
    assert chance_inside(near, far, random.Random(0)) < 1.0


def test_processes_of_other_harnesses_and_threads_stay_out(made_run):
    rows = made_run(repeats=1)[0]
    assert [len(times_of(rows, harness, 2)) for harness in (OURS, TORCH, OPTIMUM, LAUNCHER)] == [4, 12, 12, 3]
    assert pooled_median([[1.0, 2.0], [3.0]]) == 2.0
    assert pooled_median(times_of(rows, OURS, 1)) == pytest.approx(8.0, rel=0.02)
