"""Data parallelism: every worker holds the same network and walks, evaluates and differentiates its part of the sample.

Subtrees of prefixes are disjoint, so no determinant comes twice; a table of the whole sample is gathered on each worker,
since psi is looked up all over it. Weights are global, so gradients are summed, never averaged. Random numbers are keyed by
prefix, so the sample, and with it the energy, does not depend on how many workers there are.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.multiprocessing.spawn import spawn

from effbench.api import PluginError
from effbench.arrays import Array


class Workers:
    """One worker alone: nothing to share."""

    rank, size = 0, 1
    waited_s = 0.0
    """Seconds of this worker in messages and waiting for the others, so far."""

    def part(self, rows: int) -> tuple[int, int]:
        """Return the rows (from, to) of this worker: as many as everybody's, to within one."""
        return self.rank * rows // self.size, (self.rank + 1) * rows // self.size

    def gather(self, part: Array) -> Array:
        """Return the arrays [U_w, ...] of all workers behind one another [U, ...], the same on each."""
        return part

    def gather_tensor(self, part: torch.Tensor) -> torch.Tensor:
        """Return the tensors of all workers behind one another, without their graph."""
        return torch.from_numpy(self.gather(part.detach().numpy()))

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Replace the tensors by their sums over the workers, the same on each."""


class Distributed(Workers):
    """A worker of ``torch.distributed``'s default process group."""

    def __init__(self) -> None:
        self.rank, self.size = torch.distributed.get_rank(), torch.distributed.get_world_size()

    def gather(self, part: Array) -> Array:
        """Return the arrays of all workers behind one another."""
        started = time.perf_counter()
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        torch.distributed.all_gather(lengths, torch.tensor([len(part)]))
        # As bytes: gloo has no complex and no unsigned numbers. Padded: it gathers equal lengths alone.
        most, flat = max(int(length) for length in lengths), np.ascontiguousarray(part)
        padded = np.zeros((most, *flat.shape[1:]), flat.dtype)
        padded[: len(flat)] = flat
        sent = torch.from_numpy(padded.reshape(-1).view(np.uint8))
        parts = [torch.empty_like(sent) for _ in range(self.size)]
        torch.distributed.all_gather(parts, sent)
        arrays = [part.numpy().view(flat.dtype).reshape(padded.shape) for part in parts]
        self.waited_s += time.perf_counter() - started
        return np.concatenate([array[: int(length)] for array, length in zip(arrays, lengths)])

    def add(self, tensors: Sequence[torch.Tensor]) -> None:
        """Sum in one message."""
        started = time.perf_counter()
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        at = 0
        for tensor in tensors:
            tensor.copy_(flat[at : at + tensor.numel()].view_as(tensor))
            at += tensor.numel()
        self.waited_s += time.perf_counter() - started


ALONE = Workers()
"""The worker of whoever trains in one process."""
Work = Callable[[Workers], Any]


def run_together(work: Work, size: int, threads: int) -> Any:
    """Return what ``work`` returns on the first of ``size`` processes, each with its share of ``threads``.

    ``work`` is called with its worker on every one and must be picklable. Raises what a worker raised.
    """
    if size == 1:
        return work(ALONE)
    with tempfile.TemporaryDirectory() as folder:
        context = torch.multiprocessing.get_context("spawn")
        answer = context.SimpleQueue()
        share = max(1, threads // size)
        processes = spawn(_serve, (work, size, share, f"file://{Path(folder) / 'meeting'}", answer), size, join=False)
        found: Any = None
        while not processes.join(timeout=0.2):
            found = answer.get() if not answer.empty() else found
        found = answer.get() if found is None else found
        if isinstance(found, PluginError):
            raise found
        return found


def _serve(rank: int, work: Work, size: int, threads: int, meeting: str, answer: Any) -> None:
    import numba

    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, numba.get_num_threads()))
    patience = timedelta(days=1)  # the others wait while the first evaluates
    torch.distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=patience)
    try:
        found: Any = work(Distributed())
    except PluginError as error:  # one sentence: it must not arrive as the text of a traceback
        found = error
    torch.distributed.barrier()  # nobody hangs up on one who still talks
    torch.distributed.destroy_process_group()
    if rank == 0:
        answer.put(found)
