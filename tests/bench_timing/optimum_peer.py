"""optimum-benchmark's way, in its own environment: ``python -m bench_timing.optimum_peer`` answers jobs through files.

Each line on standard input names a file with a job; its answer is written beside it, and then one line is printed.
The harness ``optimum`` runs in the same kind of process as ours, its parent blocked on a pipe; ``optimum-launcher`` is
what a user of optimum-benchmark gets, the process launcher and its busy parent.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench_timing.callables import Job, Spin, gaps_of
from bench_timing.processes import Processes

BACKEND = "bench_timing.optimum_backend"


def answer_of(processes: Processes, job: Job) -> dict[str, Any]:
    """Return what one process measured."""
    return processes.run(work, job) if job.harness == "optimum" else launched(job)


def work(job: Job, connection: Connection) -> dict[str, Any]:
    """Run the inference scenario in this worker."""
    from bench_timing.optimum_backend import run_in_this_process

    times_ms, call = run_in_this_process(job)
    answer: dict[str, Any] = {"times_ms": times_ms, "calls_per_time": 1}
    if isinstance(call, Spin):
        timed = len(times_ms)
        answer["gaps"] = gaps_of([(call.entered[-timed:], call.left[-timed:])])._asdict()
    return answer


def launched(job: Job) -> dict[str, Any]:
    """Run it through the process launcher, and note the share of a core that the parent spends meanwhile."""
    from bench_timing.optimum_backend import launch

    wall, cpu = time.perf_counter(), time.process_time()
    times_ms = launch(job)
    share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    for child in multiprocessing.active_children():  # the launcher does not wait until its process is gone
        child.join()
    return {"times_ms": times_ms, "calls_per_time": 1, "parent_share": share}


def main() -> None:
    """Say which versions these are, then answer jobs until standard input ends."""
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the peer prints must not stand between the answers
    from importlib.metadata import version

    import bench_timing.optimum_backend  # noqa: F401 - its launcher forks this process: what is imported is ready there

    processes = Processes([BACKEND])
    print(json.dumps({name: version(name) for name in ("optimum-benchmark", "torch", "transformers")}), file=lines)
    for line in sys.stdin:
        path = Path(line.strip())
        answer = answer_of(processes, Job(**json.loads(path.read_text(encoding="utf-8"))))
        path.with_suffix(".answer").write_text(json.dumps(answer), encoding="utf-8")
        print("done", file=lines)


if __name__ == "__main__":
    main()
