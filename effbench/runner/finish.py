"""The end of a cell: parts merged, numbers made, record written; only then is the cell done."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from effbench.api import Metric, Sample, Scores
from effbench.atomic import file_sha256
from effbench.draws import Draws, cluster_hash, write_draws
from effbench.guard import PluginFailure
from effbench.measure.noise import NoiseReading, grade, worst
from effbench.parts import drop_merged_parts, merge_parts, metadata_values, read_parts, scores_of
from effbench.record import SCHEMA, Attempt, CellRecord, Check, Noise, Number, Reason, Stopping
from effbench.runner.building import needs_preparation
from effbench.runner.honesty import checks_of, same_probe, withdrawn
from effbench.runner.latency_numbers import LatencyInput, latency_numbers
from effbench.runner.plan import Cell, TaskPlan
from effbench.runner.provenance import Surroundings, provenance
from effbench.runner.quality_numbers import quality_draws, quality_numbers, remarked, remarks_of, summary_of
from effbench.runner.resource_numbers import compute_numbers, energy_number, memory_numbers, single_number
from effbench.runner.stopping import samples_used
from effbench.store import SAMPLE_KEY, TIMING_KEY, CellFolder, Store
from effbench.suite import Suite
from effbench.timings import NOISE_COLUMNS, Timings, joined, rounds_of

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
        "inspect": suite.measure.inspect,
        "energy": suite.measure.energy,
        "stats": suite.stats.model_dump(include={"ci", "resamples"}),
        "place": [cell.task_id, cell.method_id, cell.role],
        "reference": reference.id if reference else None,
        "schema": SCHEMA,
        **({"weights": task.weights} if task.weights else {}),
        **({"stop": [suite.stats.model_dump(), task.comparisons]} if suite.stats.stop != "all_samples" else {}),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def metrics_of(task: TaskPlan) -> tuple[Metric, ...]:
    """Return the metrics that the suite asks of a task."""
    chosen = task.entry.metrics
    return tuple(m for m in task.task.metrics if chosen is None or m.name in chosen)


def planned_scores(samples: Sequence[Sample], suite: Suite, folder: CellFolder) -> tuple[Scores, list[str]] | None:
    """Return (scores, sample ids) of the rows of some samples, or None where one of them is missing."""
    table = read_parts(folder.samples, SAMPLE_KEY)
    wanted = {(seed, sample.id) for seed in suite.seeds for sample in samples}
    if table is None or not wanted:
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


JOBS = ("prepare", "quality", "inspect", "memory", "energy", "latency")


def finish_cell(suite: Suite, task: TaskPlan, cell: Cell, store: Store, around: Surroundings) -> CellRecord:
    """Merge the parts of a cell, make its numbers, write its record, and return that."""
    folder = store.cell(cell.id)
    jobs = {name: folder.job(name) for name in JOBS}
    failures = {name: job for name, job in jobs.items() if job and job["status"] == "failed"}
    made = _numbers(suite, task, cell, store, around, jobs)
    complete = made.complete
    # Scored while the reference was missing: the cell is run again once the reference is there.
    expected = task.reference_of(cell)
    complete = complete and (not expected or scored_against(folder) == {expected})
    files = {}
    for parts, key in ((folder.samples, SAMPLE_KEY), (folder.timings, TIMING_KEY)):
        # Parts that were scored against different references stay apart: merged they could not be told apart again.
        merged = merge_parts(parts, key) if len(metadata_values(parts, "reference")) < 2 else None
        if merged is not None:
            files[merged.relative_to(folder.path).as_posix()] = file_sha256(merged)
    if made.draws is not None:
        written = write_draws(folder, made.draws)
        files[written.relative_to(folder.path).as_posix()] = file_sha256(written)
    checks: tuple[Check, ...] = ()
    if cell.execution == "real":
        reference_jobs = _reference_jobs(task, cell, store)
        checks = checks_of(jobs, reference_jobs, [name for method in cell.chain for name in method.kernels])
    probes = {name: job["data"]["probe_sha256"] for name, job in jobs.items() if job and "probe_sha256" in job["data"]}
    prepared = jobs["prepare"]
    record = CellRecord(
        id=cell.id,
        status="complete" if complete and not (failures or made.failed or cell.unsupported) else "failed",
        suite=suite.name,
        task_id=cell.task_id,
        method_id=cell.method_id,
        role=cell.role,
        order=cell.order,
        execution=cell.execution,
        identity=cell.identity,
        plan_sha256=plan_sha256(suite, task, cell),
        seeds=tuple(suite.seeds),
        n_samples=made.n_samples,
        subset=task.subset_name,
        certificate=tuple(held.sentence for held in task.subset.certificate) if task.subset else (),
        resolutions=task.subset.resolutions if task.subset else {},
        has_weights=task.weights is not None,
        stopping=made.stopping,
        numbers=tuple(withdrawn(made.numbers, checks)),
        reference_cell=task.reference.id if task.reference else None,
        files=files,
        artifact_sha256=prepared["data"].get("artifact_sha256") if prepared else None,
        probe_sha256=probes,
        claims=tuple(asdict(claim) for method in cell.chain for claim in method.claims),
        checks=checks,
        noise=made.noise,
        attempts=(*(Attempt.model_validate(one) for job in jobs.values() if job for one in tries(job)), *made.failed),
        provenance=provenance(cell, task.device, around),
        finished_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    folder.write_record(record)
    for name in files:
        drop_merged_parts((folder.path / name).parent, folder.path / name)
    return record


class _Made(NamedTuple):
    """The numbers of a cell; whether everything planned is there; the draws behind its quality; the machine's quiet.

    ``n_samples`` is what the quality numbers are of, and ``stopping`` what was decided where that may be fewer than planned.
    ``failed`` holds what went wrong while the numbers were made.
    """

    numbers: list[Number]
    complete: bool
    draws: Draws | None
    noise: Noise | None
    n_samples: int
    stopping: Stopping | None
    failed: tuple[Attempt, ...] = ()


def _numbers(
    suite: Suite, task: TaskPlan, cell: Cell, store: Store, around: Surroundings, jobs: Mapping[str, Any]
) -> _Made:
    folder, level, measure = store.cell(cell.id), suite.stats.ci, suite.measure
    unsupported: Reason | None = "unsupported" if cell.unsupported else None
    reasons: dict[str, Reason | None] = {
        name: job["attempt"]["reason"] if job and job["status"] == "failed" else None for name, job in jobs.items()
    }
    failed = unsupported or reasons["prepare"]
    used, stopping = samples_used(suite, task, cell, store)
    planned = None if failed else planned_scores(task.samples[:used], suite, folder)
    missing: Reason | None = failed or reasons["quality"] or (None if planned else "error")
    scores, ids = planned or (None, [])
    weights = np.array([task.weights[name] for name in ids]) if task.weights else None
    summary, drawn, remarks, broken = {}, {}, {}, []
    if scores is not None:
        begun, clock = datetime.now(UTC), time.perf_counter()
        try:
            has_reference = bool(task.reference_of(cell)) and scored_against(folder) == {task.reference_of(cell)}
            plain = np.ones(len(ids)) if weights is None else weights
            summary = summary_of(task.task, scores, plain, with_reference=has_reference)
            drawn = quality_draws(task.task, scores, ids, suite.stats.resamples, weights)
            remarks = remarks_of(task.task, scores)
        except PluginFailure as failure:
            scores, drawn, remarks, missing = None, {}, {}, "error"
            took = round(time.perf_counter() - clock, 3)
            at = begun.isoformat(timespec="seconds")
            broken = [_numbers_failed(str(failure), at, took)]
    numbers = quality_numbers(task.task, metrics_of(task), summary, scores, ids, drawn, missing, level, weights)
    numbers = [remarked(_of_all_samples(number, task, used), remarks) for number in numbers]
    is_decided = stopping is None or stopping.verdict != "undecided" or used == len(task.samples)
    complete = planned is not None and is_decided

    simulated: Reason | None = "simulated" if cell.execution == "simulated" else None
    blocked = failed or simulated or reasons["quality"]

    def why(asked: object, job: str) -> Reason | None:
        """Return why a pass gave nothing, as far as that is known."""
        return (blocked or reasons[job]) if asked else "not_requested"

    no_latency = why(measure.latency, "latency")
    flags = ("probe_differs",) if same_probe(jobs, "latency") is False else ()
    inputs = [] if no_latency else latency_inputs(suite, task, cell, store, around.machine, flags)
    noise = noise_of([i.ours for i in inputs])
    if noise is not None and noise.grade == "C":
        inputs = [replace(i, extra_flags=(*i.extra_flags, "noisy_machine")) for i in inputs]
    sizes = measure.latency.batch_sizes if measure.latency else [1]
    numbers += latency_numbers(inputs, sizes, no_latency, level, cell is task.reference)
    complete = complete and (no_latency is not None or all(i.ours.steady for i in inputs))

    no_memory = why(measure.memory, "memory")
    use = jobs["memory"]["data"] if jobs["memory"] and not no_memory else None
    numbers += memory_numbers(use, no_memory, task.device)
    complete = complete and (no_memory is not None or use is not None)

    no_compute = why(measure.flops and measure.inspect, "inspect")
    seen = jobs["inspect"]["data"] if jobs["inspect"] and not no_compute else None
    at_one = next((i.ours for i in inputs if i.batch_size == 1 and i.ours.steady), None)
    seconds = float(np.median([ns for walls in at_one.steady.values() for ns in walls])) / 1e9 if at_one else None
    no_time: Reason = no_latency or ("error" if 1 in sizes else "not_requested")
    numbers += compute_numbers(seen, no_compute, seconds, no_time, around.calibration, around.no_calibration)
    complete = complete and (why(measure.inspect, "inspect") is not None or jobs["inspect"] is not None)

    no_energy = why(measure.energy == "auto", "energy")
    numbers.append(energy_number(jobs["energy"]["data"] if jobs["energy"] and not no_energy else None, no_energy))

    prepared: float | None = 0.0  # by definition, where no link of the chain prepares anything
    if needs_preparation(cell.chain):
        prepared = jobs["prepare"]["data"].get("seconds") if jobs["prepare"] else None
    numbers.append(single_number("preparation_s", "preparation", "s", None if failed else prepared, failed or "error"))
    draws = Draws(drawn, cluster_hash(ids, suite.seeds)) if drawn else None
    return _Made(numbers, complete, draws, noise, used, stopping, tuple(broken))


def _numbers_failed(message: str, started_utc: str, seconds: float) -> Attempt:
    return Attempt(
        job="numbers", status="failed", reason="error", message=message, started_utc=started_utc, seconds=seconds
    )


def tries(job: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the attempts at a job, the last one last."""
    return [*job.get("earlier", ()), job["attempt"]]


def scored_against(folder: CellFolder) -> set[str]:
    """Return the ids of the reference cells that a cell's committed rows were scored against; "" stands for none."""
    return metadata_values(folder.samples, "reference")


def _of_all_samples(number: Number, task: TaskPlan, used: int) -> Number:
    """Return a number, withheld where it is of a whole set and the set is a part: its size would decide its value."""
    of_sets = {metric.name for metric in task.task.metrics if metric.per == "set"}
    if used == len(task.samples) or number.name not in of_sets or number.value is None:
        return number
    return number.without_value("too_few_samples")


def noise_of(timings: Sequence[Timings]) -> Noise | None:
    """Return the noise of the worst round, or None where nothing was timed (or by a version that did not look)."""
    readings = [
        NoiseReading(**{name: _as_reading(name, quiet.get(name)) for name in NOISE_COLUMNS})
        for timing in timings
        for quiet in timing.noise.values()
        if quiet
    ]
    if not readings:
        return None
    reading = worst(readings)
    letter, reasons = grade(reading)
    return Noise(grade=letter, reasons=tuple(reasons), **reading._asdict())


def _as_reading(name: str, value: float | None) -> Any:
    """Return a column's value as the meter gave it: parquet holds all of them as float64."""
    return None if value is None else bool(value) if name == "throttled" else value


def _reference_jobs(task: TaskPlan, cell: Cell, store: Store) -> dict[str, Any] | None:
    if task.reference is None or cell is task.reference:
        return None
    folder = store.cell(task.reference.id)
    return {"memory": folder.job("memory")}


def committed_rows(table: pa.Table | None) -> set[tuple[int, str]]:
    """Return the (seed, sample id) that a cell has committed."""
    return set() if table is None else set(zip(table["seed"].to_pylist(), table["sample_id"].to_pylist()))
