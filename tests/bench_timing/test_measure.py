"""The run with the peers faked: what is measured, in which order, and how the driver of the other environment is asked."""

import random
import sys

import pytest

from bench_timing.callables import Job
from bench_timing.measure import LAUNCHER, OPTIMUM, OURS, TORCH, Plan, jobs_of, optimum_driver, repeat


def test_a_repeat_holds_every_harness_and_both_numbers_of_threads():
    jobs = jobs_of(Plan(rounds=5, peer_processes=10, launches=3))
    blocks = [(job.harness, job.threads) for job in jobs if job.workload == "block"]
    assert {pair: blocks.count(pair) for pair in blocks} == {
        (harness, threads): n
        for threads in (1, 2)
        for harness, n in ((OURS, 5), (TORCH, 10), (OPTIMUM, 10), (LAUNCHER, 3))
    }
    others = {(job.harness, job.workload) for job in jobs if job.workload != "block"}
    assert others == {(harness, workload) for harness in (OURS, TORCH, OPTIMUM) for workload in ("trivial", "spin")}


def test_processes_come_in_random_order_and_raw_times_stay_for_the_block_alone():
    asked = []

    def fake(job):
        asked.append(job)
        return {"times_ms": [3.0, 1.0, 2.0], "calls_per_time": 1}

    jobs = jobs_of(Plan(rounds=3, peer_processes=3, launches=1))
    measures = dict.fromkeys((OURS, TORCH, OPTIMUM, LAUNCHER), fake)
    rows = repeat(jobs, measures, random.Random(0))
    assert sorted(asked, key=repr) == sorted(jobs, key=repr)
    assert asked != jobs
    assert {row["workload"]: row["times_ms"] for row in rows} == {
        "block": [3.0, 1.0, 2.0],
        "trivial": [2.0],
        "spin": [2.0],
    }


FAKE_PEER = """
import json, sys
from pathlib import Path
print(json.dumps({"optimum-benchmark": "0"}), flush=True)
for line in sys.stdin:
    path = Path(line.strip())
    job = json.loads(path.read_text())
    if job["workload"] == "crash":
        sys.exit(3)
    path.with_suffix(".answer").write_text(json.dumps({"times_ms": [job["threads"]]}))
    print("done", flush=True)
"""


@pytest.fixture
def fake_python(tmp_path):
    """Return an interpreter that runs a fake peer whatever it is told to run."""
    script, python = tmp_path / "peer.py", tmp_path / "python"
    script.write_text(FAKE_PEER)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}"\n')
    python.chmod(0o755)
    return python


def test_the_driver_answers_through_files(fake_python):
    with optimum_driver(fake_python) as (ask, versions):
        assert versions == {"optimum-benchmark": "0"}
        assert [ask(Job(OPTIMUM, "block", threads, 0.1))["times_ms"] for threads in (1, 2)] == [[1], [2]]


def test_a_driver_that_dies_is_an_error(fake_python):
    with optimum_driver(fake_python) as (ask, _), pytest.raises(RuntimeError, match="exit code 3"):
        ask(Job(OPTIMUM, "crash", 1, 0.1))
