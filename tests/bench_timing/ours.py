"""EffBench's way: its ``Stopwatch`` in a worker that is given turns over a pipe, as a latency round does."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from bench_timing.callables import Job, Spin, gaps_of, make
from bench_timing.processes import Processes
from effbench.measure.latency import Stopwatch

TURNS = 5


def measure(processes: Processes, job: Job) -> dict[str, Any]:
    """Return what one worker measured in ``TURNS`` turns of together ``job.seconds``."""
    times_ms: list[float] = []

    def talk(connection: Connection) -> None:
        connection.recv()
        for _ in range(TURNS):
            connection.send(job.seconds / TURNS)
            times_ms.extend(iteration.wall_ns / 1e6 for iteration in connection.recv())
        connection.send(None)

    return {**processes.run(work, job, talk), "times_ms": times_ms, "calls_per_time": 1}


def work(job: Job, connection: Connection) -> dict[str, Any]:
    """Warm up and take turns; tell what lay between the calls where the workload notes it."""
    call = make(job.workload)
    watch = Stopwatch(call)
    watch.warm_up(job.seconds)
    connection.send("ready")
    loops: list[tuple[list[int], list[int]]] = []
    starts_ms: list[float] = []
    while (seconds := connection.recv()) is not None:
        seen = len(call.entered) if isinstance(call, Spin) else 0
        asked = time.perf_counter_ns()
        rows = watch.turn(seconds)
        if isinstance(call, Spin):
            first = len(call.entered) - len(rows)  # what a turn calls untimed comes before the rows
            loops.append((call.entered[first:], call.left[first:]))
            untimed_ns = sum(end - start for start, end in zip(call.entered[seen:first], call.left[seen:first]))
            starts_ms.append((call.entered[first] - asked - untimed_ns) / 1e6)
        connection.send(rows)
    answer: dict[str, Any] = {"flags": watch.flags}
    if isinstance(call, Spin):
        answer |= {"gaps": gaps_of(loops)._asdict(), "turn_start_ms": median(starts_ms)}
    return answer
