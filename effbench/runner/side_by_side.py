"""Jobs of several cells at once, each on cores of its own: all that is not timed. One process listens to all workers.

What a cell needs is a generator of jobs: it yields one, is told whether that succeeded, and goes on. One after another or
side by side, it is asked for the same jobs in the same order, and leaves the same in the store.
"""

from __future__ import annotations

import multiprocessing.connection
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from effbench.measure.machine import chosen_cpus, physical_cores
from effbench.runner.cells import Cell
from effbench.runner.isolation import LOOK_EVERY_S
from effbench.runner.jobrunner import JobRunner, OpenJob
from effbench.runner.jobs import JobSpec
from effbench.suite import ExecutionEntry

T = TypeVar("T")
Steps = Generator[tuple[Cell, JobSpec], bool, T]
"""Yields jobs of a cell, is sent whether each succeeded, and returns what came of them."""
Slots = Sequence[tuple[int, ...]]
"""The cores of each worker that may run at a time; () where the system binds none."""


def shared_out(execution: ExecutionEntry) -> tuple[Slots, int]:
    """Return (the cores of each worker that may run at a time, how many threads one has).

    As many as the suite asks for and the cores allow, one at least. Raises ``BadInput`` for cores that are not there.
    """
    asked, jobs = execution.threads, execution.jobs
    cpus = chosen_cpus(execution.cpus, None if asked is None else asked * jobs)
    cores = min(physical_cores(), len(cpus) or physical_cores())
    threads = asked or max(1, cores // jobs)
    if jobs == 1:
        return [cpus], threads
    count = max(1, min(jobs, (len(cpus) or cores) // threads))
    return [cpus[i * threads : (i + 1) * threads] for i in range(count)], threads


def one_after_another(jobs: JobRunner, work: Iterable[Steps[None]]) -> None:
    """Run the jobs of each generator until it is over, then those of the next."""
    for steps in work:
        succeeded = None
        while True:
            try:
                cell, spec = next(steps) if succeeded is None else steps.send(succeeded)
            except StopIteration:
                break
            succeeded = jobs.run(cell, spec)


def side_by_side(jobs: JobRunner, work: Iterable[Steps[None]], slots: Slots) -> None:
    """Run as many generators at a time as there are slots, each job on the cores of its slot."""
    waiting, free = deque(work), deque(slots)
    running: dict[OpenJob, tuple[Steps[None], tuple[int, ...]]] = {}

    def go_on(steps: Steps[None], cpus: tuple[int, ...], succeeded: bool | None) -> None:
        """Start what a generator asks for next; give its cores back where it is over."""
        while True:
            try:
                cell, spec = next(steps) if succeeded is None else steps.send(succeeded)
            except StopIteration:
                free.append(cpus)
                return
            job = OpenJob(jobs, cell, replace(spec, cpus=cpus))
            running[job] = steps, cpus
            job.start()
            if job.succeeded is None:
                return
            del running[job]
            succeeded = job.succeeded

    try:
        while waiting or running:
            while waiting and free:
                go_on(waiting.popleft(), free.popleft(), None)
            _wait_for_any(running)
            for job in list(running):
                job.look()
                if job.succeeded is not None:
                    go_on(*running.pop(job), job.succeeded)
    finally:
        for job in running:
            job.close()


def _wait_for_any(running: Iterable[OpenJob]) -> None:
    ends = [end for job in running if job.worker is not None for end in job.worker.ends]
    if ends:
        multiprocessing.connection.wait(ends, LOOK_EVERY_S)
