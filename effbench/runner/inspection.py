"""The inspection of a cell: what a call computes, which kernels it runs, and whether a repeated call is cheaper.

It is a pass of its own, because a profiler and a counting mode slow down what they watch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

from effbench.api import Sample, System, Task, without_target
from effbench.runner.building import load_and_apply, probes_of
from effbench.runner.jobs import Done, JobSpec

MOST_PAIRS, LEAST_PAIRS, WARM_CALLS = 8, 3, 2
"""A choice: of fewer than three pairs a t test says next to nothing, more than eight would cost more time than the flag is
worth, and two calls before them take what happens once per process."""
REPEAT_BUDGET_S = 3.0
"""A choice, half of it for fresh calls: what an inspection may add to a run; a slow system gets the least pairs."""
KEPT_KERNELS = 60
"""Names kept in the store, most frequent first."""


def inspect(spec: JobSpec, connection: Connection) -> Done:
    """Count a call of every item at batch size 1, list the kernels that ran, and time fresh samples against repeated ones."""
    system, _, artifact = load_and_apply(spec)
    data: dict[str, Any] = {"artifact_sha256": artifact, "repeats": _repeats_data(spec, system)}
    probes = probes_of(spec, system, 1)
    data |= _kernels_data(spec, probes[0])
    if spec.count_flops and "torch" in spec.task.preload:
        data |= _compute_data(probes)
    return Done(data)


def _kernels_data(spec: JobSpec, probe: Callable[[], Any]) -> dict[str, Any]:
    """Return the kernels that a call ran: what the profiler saw of torch, and what compiled kernels say of themselves."""
    from effbench.measure.kernels_run import kernels_run, matches

    kernels = kernels_run(probe)
    missing = matches([glob for method in spec.chain for glob in method.kernels], kernels)
    return {
        "kernels": [[kernel.name, kernel.calls] for kernel in kernels[:KEPT_KERNELS]],
        "kernels_missing": missing,
    }


def _compute_data(probes: Sequence[Callable[[], Any]]) -> dict[str, Any]:
    """Return the mean operations and bytes of a call over the items, and the operations of each."""
    from effbench.measure.compute import measure_compute

    counted = [measure_compute(probe) for probe in probes]
    dtypes = dict.fromkeys(dtype for compute in counted for dtype in compute.flops_by_dtype)
    items = len(counted)
    return {
        "flops_by_dtype": {name: sum(c.flops_by_dtype.get(name, 0) for c in counted) / items for name in dtypes},
        "flops_by_item": [sum(compute.flops_by_dtype.values()) for compute in counted],
        "bytes_moved": sum(compute.bytes_moved for compute in counted) / items,
        "least_bytes": sum(compute.least_bytes for compute in counted) / items,
    }


class Repeats(NamedTuple):
    """Seconds of a call on each of some samples that the system had not seen, and of one on each of them again."""

    first_s: list[float]
    again_s: list[float]


def time_repeats(task: Task, system: System, seed: int, budget_s: float = REPEAT_BUDGET_S) -> Repeats:
    """Return paired times of fresh and repeated calls; MLPerf's audit TEST04 asks that repeating does not help.

    One more sample goes first, a few times, so that what happens once per process is not taken for a cache. All samples
    are seen once before the first is repeated, so that the processor's own caches help no repetition.
    """
    warm, *fresh = [without_target(sample) for sample in task.samples("calibration")[: MOST_PAIRS + 1]]
    for _ in range(WARM_CALLS):
        task.run(system, [warm], seed)
    first: list[float] = []
    for sample in fresh:
        first.append(_call_s(task, system, sample, seed))
        if len(first) >= LEAST_PAIRS and sum(first) > budget_s / 2:
            break
    return Repeats(first, [_call_s(task, system, sample, seed) for sample, _ in zip(fresh, first)])


def _call_s(task: Task, system: System, sample: Sample, seed: int) -> float:
    before = time.perf_counter()
    task.run(system, [sample], seed)
    return time.perf_counter() - before


def _repeats_data(spec: JobSpec, system: System) -> dict[str, Any]:
    """Return how many pairs were timed, the median fresh call, the geometric mean of repeated / fresh, its one-sided p."""
    if len(spec.task.samples("calibration")) <= LEAST_PAIRS:
        return {"pairs": 0, "first_s": None, "ratio": None, "p": None}
    first, again = (np.asarray(times) for times in time_repeats(spec.task, system, spec.probe_seed))
    logs = np.log(again / first)
    spread = float(logs.std(ddof=1)) / math.sqrt(len(logs))
    from scipy.stats import t

    # No spread at all: the sign of the mean decides.
    p = float(t.cdf(logs.mean() / spread, len(logs) - 1)) if spread else float(logs.mean() >= 0)
    ratio = float(np.exp(logs.mean()))
    return {"pairs": len(first), "first_s": float(np.median(first)), "ratio": ratio, "p": p}
