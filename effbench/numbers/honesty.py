"""Honesty checks: is what a cell claims to be what ran? A number that the evidence contradicts is not printed.

Four checks, each on evidence that the method does not write itself:

- ``same_object``: the probe's output hashes alike in the quality, memory and latency processes (of a task that calls itself
  deterministic; of others it is no evidence);
- ``kernels``: every kernel that a real method names was seen by the profiler;
- ``resident_bytes``: weights that a method says it saved are really gone from the process;
- ``repeats``: a call on a sample seen just before is not much faster than on a fresh one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from effbench.record import Check, Number
from effbench.storeschema import JobResult

LEAST_SAVING = 1_000_000
"""Bytes: a smaller saving disappears in what an allocator keeps, so it cannot be told apart from none."""

KEPT_SHARE = 0.5
"""A claimed saving is contradicted where less than this share of it shows in the process."""

REPEAT_RATIO, REPEAT_P = 0.67, 0.01
"""A repeated call that takes less than this share of a fresh one, at this p, points to a cache of answers."""

LEAST_CALL_S = 1e-3
"""A shorter call is dominated by what the processor and the interpreter cache, so repeats of it say nothing."""

BLOCKED_AXES = {
    "same_object": ("latency", "memory"),
    "kernels": ("latency", "memory", "energy"),
    "resident_bytes": ("memory",),
    "repeats": ("latency", "energy"),
}
"""Check -> the axes whose numbers it takes away where it fails."""

Jobs = Mapping[str, JobResult | None]


def checks_of(
    jobs: Jobs, reference_memory: JobResult | None, kernels: Sequence[str], *, deterministic: bool = True
) -> tuple[Check, ...]:
    """Return the checks that apply to a real cell, from the data of its jobs and of the reference's memory job."""
    same = _same_object(jobs, deterministic)
    found = [same, _kernels(jobs, kernels), _resident_bytes(jobs, reference_memory), _repeats(jobs)]
    return tuple(check for check in found if check is not None)


def withdrawn(numbers: Sequence[Number], checks: Sequence[Check]) -> list[Number]:
    """Return the numbers with those of a contradicted axis set to null, for the reason ``unverified``."""
    axes = {axis for check in checks if check.status == "fail" for axis in BLOCKED_AXES.get(check.name, ())}
    return [n.without_value("unverified") if n.axis in axes and n.value is not None else n for n in numbers]


def data_of(jobs: Jobs, name: str) -> Mapping[str, Any]:
    """Return what a job that succeeded left, or nothing."""
    return _data(jobs.get(name))


def _data(job: JobResult | None) -> Mapping[str, Any]:
    return job.data.known() if job is not None and job.status == "done" else {}


def same_probe(jobs: Jobs, name: str) -> bool | None:
    """Return whether a job's probe output equals the quality job's; None where one of them has none."""
    ours, quality = data_of(jobs, name).get("probe_sha256"), data_of(jobs, "quality").get("probe_sha256")
    return ours == quality if ours and quality else None


def _same_object(jobs: Jobs, deterministic: bool) -> Check | None:
    agree = {name: same for name in ("memory", "latency") if (same := same_probe(jobs, name)) is not None}
    if not agree:
        return None
    differ = [name for name, same in agree.items() if not same]
    if differ:
        text = f"the {' and '.join(differ)} pass gave another probe output than the quality pass"
        if not deterministic:
            return Check(name="same_object", status="unknown", message=f"{text}; the task is not deterministic")
        return Check(name="same_object", status="fail", message=text)
    return Check(
        name="same_object", status="pass", message=f"quality and {' and '.join(agree)} gave the same probe output"
    )


def _kernels(jobs: Jobs, declared: Sequence[str]) -> Check | None:
    seen = data_of(jobs, "inspect")
    if not declared:
        return None
    if "kernels" not in seen:
        return Check(name="kernels", status="unknown", message="the kernels that ran were not recorded")
    if seen["kernels_missing"]:
        missing = ", ".join(seen["kernels_missing"])
        return Check(name="kernels", status="fail", message=f"claims to run {missing}, which did not run")
    return Check(name="kernels", status="pass", message=f"ran {', '.join(declared)}")


def _resident_bytes(jobs: Jobs, reference_memory: JobResult | None) -> Check | None:
    """Compare the saving of weights that is claimed with what left the process.

    Two witnesses: the memory that is resident at rest, and the bytes of all tensors that are alive. A copy kept anywhere
    shows in at least the first, whatever the modules say of themselves; allocators blur it, so the better one counts.
    """
    ours, theirs = data_of(jobs, "memory"), _data(reference_memory)
    if not ours.get("parameter_bytes") or not theirs.get("parameter_bytes"):
        return None
    claimed = theirs["parameter_bytes"] - ours["parameter_bytes"]
    if claimed < LEAST_SAVING:
        return None
    witnesses = [
        theirs[name] - ours[name]
        for name in ("resident_at_rest", "live_tensor_bytes")
        if name in ours and name in theirs
    ]
    if not witnesses:
        return Check(name="resident_bytes", status="unknown", message="no memory was recorded to compare with")
    text = (
        f"claims {claimed / 1e6:.1f} MB less than the reference; the process holds {max(witnesses) / 1e6:.1f} MB less"
    )
    is_gone = max(witnesses) >= KEPT_SHARE * claimed
    return Check(name="resident_bytes", status="pass" if is_gone else "fail", message=text)


def _repeats(jobs: Jobs) -> Check | None:
    seen = data_of(jobs, "inspect").get("repeats")
    if seen is None or (seen["first_s"] is not None and seen["first_s"] < LEAST_CALL_S):
        return None
    if seen["ratio"] is None:
        return Check(name="repeats", status="unknown", message="too few calibration samples to try fresh ones")
    text = f"a repeated sample takes {seen['ratio']:.2f} of the time of a fresh one ({seen['pairs']} pairs)"
    cached = seen["ratio"] < REPEAT_RATIO and seen["p"] < REPEAT_P
    return Check(name="repeats", status="fail" if cached else "pass", message=text)
