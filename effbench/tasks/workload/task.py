"""The task ``workload``: EffBench measures itself on calls whose true relative cost is known.

Compute and waiting are told apart because they meet different noise: equal pieces of work slow down and speed up with the
machine, in proportion, while a sleep does not. The quality number is the planted truth itself, so that it stands in one
row with what was measured.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from effbench.api import Context, Metric, Output, Sample, Scores, Split, StrictParams, Task, noise_seed
from effbench.arrays import Array
from effbench.tasks.workload.system import Workload

PR_SET_TIMERSLACK = 29
"""Linux wakes a sleeper up to 50 microseconds late to save power; a worker of this task asks for 1 nanosecond."""


class WorkloadTask(Task):
    """Multiply a matrix, or sleep, a fixed number of times; methods make a call do a known share more of that."""

    name = "workload"
    system_type = Workload
    small: ClassVar[Mapping[str, Any]] = {"units": 2, "size": 16}
    metrics = (
        Metric(
            "planted_cost",
            "x",
            higher_is_better=False,
            primary=True,
            bounds=(0.0, math.inf),
            description="true cost of a call, relative to the system as loaded",
        ),
    )

    class Params(StrictParams):
        """Parameters of the task."""

        units: Annotated[int, Field(ge=1, description="Array products, or sleeps, per call.")] = 200
        size: Annotated[int, Field(ge=1, description="Rows of the square matrix.")] = 96
        wait_ms: Annotated[float, Field(ge=0, description="Sleep per unit, in place of a product.")] = 0.0
        samples: Annotated[int, Field(ge=1, le=1_000_000, description="Number of evaluation samples.")] = 8

    def load(self, ctx: Context) -> Workload:
        """Return the system; the matrix is the same in every process."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1)
        generator = np.random.default_rng(noise_seed("workload matrix", 0))
        matrix, _ = np.linalg.qr(generator.standard_normal((self.params.size, self.params.size)))
        return Workload(self.params.units, self.params.wait_ms, matrix.astype(np.float32))

    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return samples that are nothing but their ids, from which their start matrices are drawn."""
        return [Sample(f"{split}-{number}") for number in range(self.params.samples)]

    def run(self, system: Workload, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return per sample ``state`` [n, n], and ``cost`` [1], what the call truly cost."""
        cost = np.array([system.cost])
        return [{"state": system.call(self._start(sample, seed)), "cost": cost} for sample in batch]

    def probes(self, system: Workload, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return the calls alone: making their starts is no part of what is planted, and would dilute it.

        One item, since no start costs more than another: what a call costs is planted.
        """
        starts = [self._start(sample, 0) for sample in self.samples("calibration")]
        chosen = [starts[i % len(starts)] for i in range(batch_size)]
        return [lambda: [{"state": system.call(start)} for start in chosen]]

    def _start(self, sample: Sample, seed: int) -> Array:
        generator = np.random.default_rng(noise_seed(sample.id, seed))
        return generator.standard_normal((self.params.size, self.params.size)).astype(np.float32)

    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the planted cost of each call."""
        return Scores({"planted_cost": np.array([float(output["cost"][0]) for output in outputs])})

    def keep(self, output: Output) -> Output:
        """Return the cost alone: the state is what the calls were made for, and nobody reads it."""
        return {"cost": output["cost"]}
