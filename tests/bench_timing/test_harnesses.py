"""Each harness once for real where its library is there, in real processes; optimum-benchmark's own parts are faked."""

import sys
import time
import types

import pytest

from bench_timing import optimum_peer, ours, torch_peer
from bench_timing.callables import Job, Spin
from bench_timing.measure import LAUNCHER, OPTIMUM, OURS, TORCH
from bench_timing.processes import Processes, WorkerDied
from effbench.measure.latency import MOST_CALLS_A_TURN, Stopwatch


@pytest.fixture(scope="module")
def processes():
    return Processes(["bench_timing.ours", "bench_timing.torch_peer"])


def test_our_worker_takes_turns_and_its_parent_blocks(processes):
    answer = ours.measure(processes, Job(OURS, "spin", 1, 0.2))
    assert len(answer["times_ms"]) >= ours.TURNS
    assert all(time_ms >= 10.0 for time_ms in answer["times_ms"])
    assert answer["gaps"]["own_us"] >= 10_000
    assert 0 < answer["gaps"]["median_us"] < 10_000
    assert answer["parent_share"] < 0.5


def test_torch_times_short_calls_in_blocks_and_long_ones_singly(processes):
    short, long = (torch_peer.measure(processes, Job(TORCH, workload, 1, 0.1)) for workload in ("trivial", "spin"))
    assert short["calls_per_time"] > 1
    assert all(ms >= 0.003 for ms in short["times_ms"])
    assert long["calls_per_time"] < short["calls_per_time"]
    assert long["gaps"]["own_us"] >= 10_000


def test_both_time_the_same_block(processes):
    a, b = (measure(processes, Job("", "block", 1, 0.05)) for measure in (ours.measure, torch_peer.measure))
    assert a["times_ms"]
    assert b["times_ms"]
    assert "gaps" not in a
    assert "gaps" not in b


def fail(job, connection):
    sys.exit(7)


def test_a_worker_that_dies_is_an_error(processes):
    with pytest.raises(WorkerDied, match="exit code 7"):
        processes.run(fail, Job(OURS, "spin", 1, 0.1))


def test_steady_rows_hold_each_call_and_at_most_a_hundred():
    watch = Stopwatch(Spin(1e-4), is_short=False)
    rows = watch.turn(0.005)
    assert 1 <= len(rows) <= 50
    assert len(watch.call.entered) == len(rows)
    for row, entered, left in zip(rows, watch.call.entered, watch.call.left):
        assert row.wall_ns >= left - entered
        assert row.phase == "steady"
    assert len(Stopwatch(lambda: None).turn(10.0)) == MOST_CALLS_A_TURN
    assert len(Stopwatch(lambda: None).turn(0.0)) == 1


def test_cpu_time_of_a_row_is_that_of_its_call():
    busy = Stopwatch(Spin(0.02), is_short=False).turn(0.06)
    asleep = Stopwatch(lambda: time.sleep(0.02), is_short=False).turn(0.06)
    assert sum(row.cpu_ns for row in busy) > 5 * sum(row.cpu_ns for row in asleep)


@pytest.fixture
def fake_backend(monkeypatch):
    """Stand in for the module that imports optimum-benchmark."""
    backend = types.ModuleType(optimum_peer.BACKEND)

    def run_in_this_process(job):
        call = Spin(1e-5)
        for _ in range(15):  # ten warm-up calls, then five that are timed
            call()
        return [0.01] * 5, call

    def launch(job):
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return [1.0, 2.0]

    backend.run_in_this_process, backend.launch = run_in_this_process, launch
    monkeypatch.setitem(sys.modules, optimum_peer.BACKEND, backend)


def test_optimum_is_asked_for_its_timed_calls_only(fake_backend):
    answer = optimum_peer.work(Job(OPTIMUM, "trivial", 1, 0.1), None)
    assert answer["times_ms"] == [0.01] * 5
    assert answer["gaps"]["own_us"] >= 10


def test_a_busy_parent_shows_in_its_share_of_a_core(fake_backend):
    answer = optimum_peer.launched(Job(LAUNCHER, "block", 2, 0.1))
    assert answer["times_ms"] == [1.0, 2.0]
    assert 0.05 < answer["parent_share"] <= 1.1
