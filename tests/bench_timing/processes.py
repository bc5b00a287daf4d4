"""The one kind of process that all harnesses run in: forked from a server that has imported torch, bound to its cores.

It is what EffBench starts; the parent blocks on a pipe. Of effbench it imports what the peer's own environment, which lacks
its requirements, can import too.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from bench_timing.callables import Job
from effbench.measure.layout import settled_memory

Work = Callable[[Job, Connection], dict[str, Any]]
"""Runs in the worker; may talk over the pipe; what it returns is sent last."""


_held: list[tuple[bytes, ...]] = []


class WorkerDied(RuntimeError):
    """A worker ended without an answer."""


class Processes:
    """Starts workers; ``preload`` names what the fork server imports once."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["torch", *preload])

    def run(self, work: Work, job: Job, talk: Callable[[Connection], Any] | None = None) -> dict[str, Any]:
        """Return a worker's answer, with the share of a core that this parent spent while it ran.

        ``talk`` is the parent's side of a conversation before the answer. Raises ``WorkerDied``.
        """
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_main, args=(work, job, theirs))
        process.start()
        theirs.close()
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            if talk is not None:
                talk(ours)
            answer: dict[str, Any] = ours.recv()
        except (EOFError, ConnectionResetError):
            process.join()
            raise WorkerDied(f"{job}: the worker left with exit code {process.exitcode}") from None
        share = (time.process_time() - cpu) / (time.perf_counter() - wall)
        process.join()
        ours.close()
        return {**answer, "parent_share": share}


def bind(threads: int) -> None:
    """Bind this process to its first ``threads`` cores, give torch as many threads, and settle its memory.

    Without the last, what a harness allocated before it times decides about page faults and cache conflicts in the call:
    medians then differ by 10 % and more whatever the way of timing.
    """
    import torch

    _held.append(settled_memory())

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)


def _main(work: Work, job: Job, connection: Connection) -> None:
    bind(job.threads)
    connection.send(work(job, connection))
    connection.close()
