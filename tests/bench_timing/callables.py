"""What every harness times. Free of effbench and of every harness, because all of them import this same file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, NamedTuple

TOKENS, WIDTH, HEADS = 256, 256, 4
SPIN_S = {"trivial": 3e-6, "spin": 1e-2}


@dataclass(frozen=True)
class Job:
    """One process's work: a harness times a workload with so many threads for so many seconds."""

    harness: str
    workload: str
    threads: int
    seconds: float


class Gaps(NamedTuple):
    """What a harness did between calls, and what the calls took by their own clock, in microseconds."""

    median_us: float
    mean_us: float
    own_us: float


class Spin:
    """Keeps the processor busy for ``seconds`` and notes when it was entered and left: what lies between is the harness."""

    def __init__(self, seconds: float) -> None:
        self._ns = round(seconds * 1e9)
        self.entered: list[int] = []
        self.left: list[int] = []

    def __call__(self) -> None:
        now = time.perf_counter_ns()
        self.entered.append(now)
        until = now + self._ns
        while now < until:
            now = time.perf_counter_ns()
        self.left.append(time.perf_counter_ns())


def gaps_of(loops: list[tuple[list[int], list[int]]]) -> Gaps:
    """Return the gaps inside of loops, each given as (when entered, when left) of its calls, in nanoseconds.

    Raises ``ValueError`` where no loop has two calls.
    """
    between = [after - before for entered, left in loops for before, after in zip(left, entered[1:])]
    if not between:
        raise ValueError("a gap needs two calls in one loop")
    own = [end - start for entered, left in loops for start, end in zip(entered, left)]
    return Gaps(median(between) / 1e3, fmean(between) / 1e3, median(own) / 1e3)


def make(workload: str) -> Callable[[], Any]:
    """Return the callable: ``block``, one fp32 transformer block of some milliseconds, or a ``Spin``."""
    return Spin(SPIN_S[workload]) if workload in SPIN_S else _block()


def _block() -> Callable[[], Any]:
    import torch

    torch.manual_seed(0)  # the same weights in every process of every harness
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, dim_feedforward=4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
    ).eval()
    tokens = torch.randn(1, TOKENS, WIDTH)

    @torch.inference_mode()
    def call() -> Any:
        return layer(tokens)

    return call
