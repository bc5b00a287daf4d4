"""The run: repeats in which every harness measures every workload, process by process in random order."""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bench_timing import ours, torch_peer
from bench_timing.callables import SPIN_S, Job
from bench_timing.processes import Processes
from effbench.measure.machine import facts
from effbench.measure.noise import NoiseMeter, cpu_seconds
from effbench.readings import grade

OURS, TORCH, OPTIMUM, LAUNCHER = "effbench", "torch", "optimum", "optimum-launcher"
PEERS = (TORCH, OPTIMUM)
THREADS = (1, 2)

Measure = Callable[[Job], dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """How much is measured. A peer gets three times our processes: its median stands in for the truth that we must cover."""

    repeats: int = 20
    rounds: int = 4
    peer_processes: int = 12
    launches: int = 3
    seconds: float = 0.2


def jobs_of(plan: Plan) -> list[Job]:
    """Return the processes of one repeat."""
    counts = {OURS: plan.rounds, TORCH: plan.peer_processes, OPTIMUM: plan.peer_processes, LAUNCHER: plan.launches}
    jobs = [
        Job(harness, "block", threads, plan.seconds)
        for threads in THREADS
        for harness, count in counts.items()
        for _ in range(count)
    ]
    return jobs + [Job(harness, workload, 1, plan.seconds) for workload in SPIN_S for harness in (OURS, *PEERS)]


def repeat(jobs: list[Job], measures: dict[str, Measure], order: random.Random) -> list[dict[str, Any]]:
    """Return what every process measured; raw times stay for the block, the median alone for workloads of fixed length."""
    rows = []
    for job in order.sample(jobs, len(jobs)):
        answer = measures[job.harness](job)
        if job.workload != "block":
            answer["times_ms"] = [float(np.median(answer["times_ms"]))]
        rows.append({**asdict(job), **answer})
    return rows


def measure(plan: Plan, optimum_python: Path, folder: Path) -> None:
    """Write a whole run into ``folder``: ``repeat-NNN.json`` and ``run.json``, the latter once all is done."""
    folder.mkdir(parents=True)
    processes = Processes(["bench_timing.ours", "bench_timing.torch_peer"])
    seed = random.SystemRandom().getrandbits(32)
    order, jobs, meter = random.Random(seed), jobs_of(plan), NoiseMeter()
    with optimum_driver(optimum_python) as (ask, versions):
        measures = {
            OURS: lambda job: ours.measure(processes, job),
            TORCH: lambda job: torch_peer.measure(processes, job),
            OPTIMUM: ask,
            LAUNCHER: ask,
        }
        before = cpu_seconds([os.getpid()])
        meter.start()
        for number in range(1, plan.repeats + 1):
            print(f"repeat {number} of {plan.repeats}", file=sys.stderr, flush=True)
            meter.tick()
            rows = repeat(jobs, measures, order)
            (folder / f"repeat-{number:03d}.json").write_text(json.dumps(rows), encoding="utf-8")
        noise = meter.stop(cpu_seconds([os.getpid()]) - before)
    letter, reasons = grade(noise)
    run = {
        "plan": asdict(plan),
        "seed": seed,
        "machine": facts(),
        "noise": {**noise._asdict(), "grade": letter, "reasons": reasons},
        "versions": {"python": platform.python_version(), "effbench": version("effbench"), "torch": version("torch")},
        "peer_versions": versions,
    }
    (folder / "run.json").write_text(json.dumps(run, indent=1), encoding="utf-8")


@contextmanager
def optimum_driver(python: Path) -> Iterator[tuple[Measure, dict[str, str]]]:
    """Yield what asks optimum-benchmark in its own environment, through files, and the versions that it runs with."""
    environment = {**os.environ, "LOG_TO_FILE": "0", "LOG_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as scratch:
        environment["TMPDIR"] = scratch  # its launcher leaves a pickle behind
        command = [str(python), "-m", "bench_timing.optimum_peer"]
        driver = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
        )
        assert driver.stdin and driver.stdout
        request = Path(scratch) / "job.json"

        def ask(job: Job) -> dict[str, Any]:
            assert driver.stdin and driver.stdout
            request.write_text(json.dumps(asdict(job)), encoding="utf-8")
            print(request, file=driver.stdin, flush=True)
            if driver.stdout.readline() != "done\n":
                raise RuntimeError(f"{job}: optimum-benchmark's driver left with exit code {driver.wait()}")
            answer: dict[str, Any] = json.loads(request.with_suffix(".answer").read_text(encoding="utf-8"))
            return answer

        try:
            yield ask, json.loads(driver.stdout.readline() or "{}")
        finally:
            driver.stdin.close()
            driver.wait()
