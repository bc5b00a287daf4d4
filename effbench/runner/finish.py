"""The end of a cell: parts merged, numbers made, record written; only then is the cell done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from effbench.api import Metric, Scores
from effbench.atomic import file_sha256
from effbench.parts import drop_merged_parts, merge_parts, metadata_values, read_parts, scores_of
from effbench.record import SCHEMA, Attempt, CellRecord, Number, Reason
from effbench.runner.numbers import (
    LatencyInput,
    latency_numbers,
    memory_numbers,
    quality_numbers,
    single_number,
)
from effbench.runner.plan import Cell, TaskPlan
from effbench.runner.provenance import provenance
from effbench.runner.worker import needs_preparation
from effbench.store import SAMPLE_KEY, TIMING_KEY, CellFolder, Store
from effbench.suite import Suite
from effbench.timings import joined, rounds_of

if TYPE_CHECKING:
    import pyarrow as pa


def plan_sha256(suite: Suite, task: TaskPlan, cell: Cell) -> str:
    """Return the hash of all that a record must cover; a record made under another one is not done."""
    reference = task.reference
    content = {
        "samples": [sample.id for sample in task.samples],
        "seeds": suite.seeds,
        "metrics": task.entry.metrics,
        "latency": suite.measure.latency.model_dump() if suite.measure.latency else None,
        "memory": suite.measure.memory,
        "flops": suite.measure.flops,
        "energy": suite.measure.energy,
        "stats": suite.stats.model_dump(),
        "place": [cell.task_id, cell.method_id, cell.role],
        "reference": reference.id if reference else None,
        "schema": SCHEMA,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def metrics_of(task: TaskPlan) -> tuple[Metric, ...]:
    """Return the metrics that the suite asks of a task."""
    chosen = task.entry.metrics
    return tuple(m for m in task.task.metrics if chosen is None or m.name in chosen)


def planned_scores(task: TaskPlan, suite: Suite, folder: CellFolder) -> tuple[Scores, list[str]] | None:
    """Return (scores, sample ids) of the planned rows, or None where one of them is missing."""
    table = read_parts(folder.samples, SAMPLE_KEY)
    wanted = {(seed, sample.id) for seed in suite.seeds for sample in task.samples}
    if table is None:
        return None
    rows = list(zip(table["seed"].to_pylist(), table["sample_id"].to_pylist()))
    keep = [i for i, row in enumerate(rows) if row in wanted]
    if len(keep) < len(wanted):
        return None
    chosen = table.take(keep)
    return scores_of(chosen), chosen["sample_id"].to_pylist()


def latency_inputs(
    suite: Suite, task: TaskPlan, cell: Cell, store: Store, machine: str, flags: tuple[str, ...]
) -> list[LatencyInput]:
    """Return what the latency numbers of a cell are made from: rows of rounds that the reference shares only."""
    inputs = []
    reference = task.reference
    for size in suite.measure.latency.batch_sizes if suite.measure.latency else ():
        ours = rounds_of(store.cell(cell.id), size, machine)
        theirs = ours if reference is None or cell is reference else rounds_of(store.cell(reference.id), size, machine)
        shared = sorted(set(ours) & set(theirs)) or sorted(ours)
        both = sorted(set(shared) & set(theirs))
        inputs.append(
            LatencyInput(size, joined(ours, shared), joined(theirs, both) if reference and both else None, flags)
        )
    return inputs


def finish_cell(suite: Suite, task: TaskPlan, cell: Cell, store: Store, machine: str) -> CellRecord:
    """Merge the parts of a cell, make its numbers, write its record, and return that."""
    folder = store.cell(cell.id)
    jobs = {name: folder.job(name) for name in ("prepare", "quality", "memory", "latency")}
    failures = {name: job for name, job in jobs.items() if job and job["status"] == "failed"}
    numbers, complete = _numbers(suite, task, cell, store, machine, jobs)
    if task.reference is not None and cell is not task.reference:
        # Scored while the reference was missing: the cell is run again once the reference is there.
        complete = complete and metadata_values(folder.samples, "reference") == {task.reference.id}
    files = {}
    for parts, key in ((folder.samples, SAMPLE_KEY), (folder.timings, TIMING_KEY)):
        merged = merge_parts(parts, key)
        if merged is not None:
            files[merged.relative_to(folder.path).as_posix()] = file_sha256(merged)
    probes = {name: job["data"]["probe_sha256"] for name, job in jobs.items() if job and "probe_sha256" in job["data"]}
    prepared = jobs["prepare"]
    record = CellRecord(
        id=cell.id,
        status="complete" if complete and not failures and not cell.unsupported else "failed",
        suite=suite.name,
        task_id=cell.task_id,
        method_id=cell.method_id,
        role=cell.role,
        order=cell.order,
        execution=cell.execution,
        identity=cell.identity,
        plan_sha256=plan_sha256(suite, task, cell),
        seeds=tuple(suite.seeds),
        n_samples=len(task.samples),
        subset=task.entry.samples.subset,
        numbers=tuple(numbers),
        reference_cell=task.reference.id if task.reference else None,
        files=files,
        artifact_sha256=prepared["data"].get("artifact_sha256") if prepared else None,
        probe_sha256=probes,
        claims=tuple(asdict(claim) for method in cell.chain for claim in method.claims),
        attempts=tuple(Attempt(**job["attempt"]) for job in jobs.values() if job),
        provenance=provenance(cell, machine, task.device),
        finished_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    folder.write_record(record)
    for name in files:
        drop_merged_parts((folder.path / name).parent, folder.path / name)
    return record


def _numbers(
    suite: Suite, task: TaskPlan, cell: Cell, store: Store, machine: str, jobs: Mapping[str, Any]
) -> tuple[list[Number], bool]:
    """Return (all numbers of a cell, whether everything that was planned is there)."""
    folder, level = store.cell(cell.id), suite.stats.ci
    unsupported: Reason | None = "unsupported" if cell.unsupported else None
    reasons: dict[str, Reason | None] = {
        name: job["attempt"]["reason"] if job and job["status"] == "failed" else None for name, job in jobs.items()
    }
    failed = unsupported or reasons["prepare"]
    planned = None if failed else planned_scores(task, suite, folder)
    missing: Reason | None = failed or reasons["quality"] or (None if planned else "error")
    scores, ids = planned or (None, [])
    numbers = quality_numbers(task.task, metrics_of(task), scores, ids, missing, level, suite.stats.resamples)

    simulated: Reason | None = "simulated" if cell.execution == "simulated" else None
    blocked = failed or simulated or reasons["quality"]
    latency, complete = suite.measure.latency, planned is not None
    why = blocked or (None if latency else "not_requested") or reasons["latency"]
    sizes = latency.batch_sizes if latency else [1]
    inputs = [] if why else latency_inputs(suite, task, cell, store, machine, _object_flags(jobs, "latency"))
    numbers += latency_numbers(inputs, sizes, why, level, cell is task.reference)
    complete = complete and (why is not None or all(i.ours.steady for i in inputs))

    why = blocked or (None if suite.measure.memory else "not_requested") or reasons["memory"]
    use = jobs["memory"]["data"] if jobs["memory"] and not why else None
    numbers += memory_numbers(use, why, task.device)
    complete = complete and (why is not None or use is not None)

    why = blocked or (None if suite.measure.flops else "not_requested")
    flops = jobs["quality"]["data"].get("flops") if jobs["quality"] and not why else None
    numbers.append(
        single_number("gflop_per_sample", "compute", "GFLOP", flops / 1e9 if flops else None, why or "unsupported")
    )
    # Counters of a GPU or of RAPL come with the measurement issue; a number is never guessed from a data sheet.
    why = blocked or ("no_device" if suite.measure.energy == "auto" else "not_requested")
    numbers.append(single_number("energy_j_per_sample", "energy", "J", None, why))
    seconds: float | None = 0.0  # by definition, where no link of the chain prepares anything
    if needs_preparation(cell.chain):
        seconds = jobs["prepare"]["data"].get("seconds") if jobs["prepare"] else None
    numbers.append(single_number("preparation_s", "preparation", "s", None if failed else seconds, failed or "error"))
    return numbers, complete


def _object_flags(jobs: Mapping[str, Any], job: str) -> tuple[str, ...]:
    """Return the flag that a job ran another object than the quality job did, told by their probe outputs."""
    ours, quality = jobs[job], jobs["quality"]
    if ours and quality and ours["status"] == quality["status"] == "done":
        same = ours["data"]["probe_sha256"] == quality["data"]["probe_sha256"]
        return () if same else ("probe_differs",)
    return ()


def committed_rows(table: pa.Table | None) -> set[tuple[int, str]]:
    """Return the (seed, sample id) that a cell has committed."""
    return set() if table is None else set(zip(table["seed"].to_pylist(), table["sample_id"].to_pylist()))
