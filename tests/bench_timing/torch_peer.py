"""torch's way: ``torch.utils.benchmark.Timer`` with its adaptive blocks, in the same kind of process as ours."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

from bench_timing.callables import Job, Spin, gaps_of, make
from bench_timing.processes import Processes


def measure(processes: Processes, job: Job) -> dict[str, Any]:
    """Return what one worker measured in ``job.seconds``, as times per call."""
    return processes.run(work, job)


def work(job: Job, connection: Connection) -> dict[str, Any]:
    """Let torch choose how many calls make a block, and return the blocks' times per call."""
    from torch.utils.benchmark import Timer

    call = make(job.workload)
    timer = Timer("call()", globals={"call": call}, num_threads=job.threads)
    found = timer.blocked_autorange(min_run_time=job.seconds)
    answer: dict[str, Any] = {"times_ms": [s * 1e3 for s in found.times], "calls_per_time": found.number_per_run}
    if isinstance(call, Spin):
        timed = found.number_per_run * len(found.raw_times)
        answer["gaps"] = gaps_of([(call.entered[-timed:], call.left[-timed:])])._asdict()
    return answer
