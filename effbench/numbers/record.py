"""The record of a cell, made from its setting and its raw parts; made again from a store, it is the same to the last bit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from effbench.errors import StoreError
from effbench.numbers.honesty import checks_of, same_probe, withdrawn
from effbench.numbers.latency import latency_numbers
from effbench.numbers.parts import CellParts, Timed, read_cell_parts
from effbench.numbers.quality import quality_numbers, remarked
from effbench.numbers.resources import (
    compute_numbers,
    energy_number,
    fact_numbers,
    memory_numbers,
    single_number,
)
from effbench.readings import Calibration, NoiseReading, grade, worst
from effbench.record import CellRecord, Check, Noise, Number, Provenance, Reason
from effbench.setting import Setting
from effbench.store import CellFolder
from effbench.storeschema import JobData, JobResult
from effbench.timings import NOISE_COLUMNS, Timings


def make_record(setting: Setting, parts: CellParts, provenance: Provenance, finished_utc: str) -> CellRecord:
    """Return the record of a cell; what could not be measured is null there, with its reason."""
    made = _numbers(setting, parts)
    failures = [job for job in (*parts.jobs.values(), *parts.preparations) if job and job.status == "failed"]
    # Scored while the reference was missing: the cell is run again once the reference is there.
    is_scored = not setting.scored_against or parts.scored_against == {setting.scored_against}
    checks: tuple[Check, ...] = ()
    if setting.execution == "real":
        declared = setting.declared
        checks = checks_of(parts.jobs, parts.reference_memory, declared.kernels, deterministic=declared.deterministic)
    probes = {
        name: job.data.probe_sha256 for name, job in parts.jobs.items() if job is not None and job.data.probe_sha256
    }
    ended = [*parts.preparations, *(job for name, job in parts.jobs.items() if name != "prepare")]
    is_complete = made.complete and is_scored and not failures and setting.unsupported is None
    return CellRecord(
        id=setting.id,
        status="complete" if is_complete else "failed",
        suite=setting.suite,
        task_id=setting.task_id,
        method_id=setting.method_id,
        role=setting.role,
        order=setting.order,
        execution=setting.execution,
        identity=setting.identity,
        plan_sha256=setting.plan_sha256,
        seeds=setting.asked.seeds,
        n_samples=len(setting.samples),
        n_groups=len(set(parts.rows.groups)) if parts.rows else 0,
        trainings=setting.declared.trainings,
        subset=setting.subset,
        certificate=setting.certificate,
        resolutions=setting.resolutions,
        has_weights=setting.weights is not None,
        stopping=setting.stopping,
        numbers=tuple(withdrawn(made.numbers, checks)),
        reference_cell=setting.reference_cell,
        files=dict(parts.files),
        artifact_sha256=_artifact_sha256(parts),
        probe_sha256=probes,
        claims=setting.declared.claims,
        checks=checks,
        noise=made.noise,
        kernels=_own_kernels(parts.jobs["inspect"]),
        attempts=tuple(attempt for job in ended if job is not None for attempt in job.tries),
        provenance=provenance,
        finished_utc=finished_utc,
    )


def recomputed(folder: CellFolder, record: CellRecord) -> CellRecord:
    """Return a cell's record made again from its raw parts, with the place and time that stand in ``record``.

    Raises ``StoreError`` where the store is of before schema 3, which kept no setting, or a part is damaged.
    """
    setting = folder.setting()
    if setting is None:
        raise StoreError(
            f"{folder.path}: has no setting.json, which stores of before schema 3 lack; run the suite again"
        )
    return make_record(setting, read_cell_parts(folder, setting, record.files), record.provenance, record.finished_utc)


def recomputed_cell(path: Path) -> CellRecord:
    """Return the record of the cell in a folder, made again; raise ``StoreError`` where it is not finished."""
    folder = CellFolder(path)
    record = folder.record()
    if record is None:
        raise StoreError(f"{path}: the cell is not finished")
    return recomputed(folder, record)


def _artifact_sha256(parts: CellParts) -> str | None:
    """Return the hash of the artifact, over those of all trainings where there are several."""
    found = [job.data.artifact_sha256 for job in parts.preparations if job is not None and job.data.artifact_sha256]
    if len(found) < 2:
        return found[0] if found else None
    return hashlib.sha256("".join(found).encode()).hexdigest()


def _own_kernels(inspect: JobResult | None) -> tuple[str, ...]:
    """Return the kernels that recorded themselves (``effbench.kernels.record_kernel``); torch's operators have a colon."""
    seen = inspect.data.kernels if inspect is not None else None
    return tuple(sorted(name for name, _ in seen or () if "/" in name and ":" not in name))


class _Made(NamedTuple):
    """The numbers of a cell; whether everything planned is there; the machine's quiet."""

    numbers: list[Number]
    complete: bool
    noise: Noise | None


def _numbers(setting: Setting, parts: CellParts) -> _Made:
    asked, declared, jobs = setting.asked, setting.declared, parts.jobs
    reasons: dict[str, Reason | None] = {name: _reason(job) for name, job in jobs.items()}
    prepare_failed = next((reason for job in parts.preparations if (reason := _reason(job))), None)
    failed: Reason | None = "unsupported" if setting.unsupported is not None else prepare_failed
    rows = None if failed else parts.rows
    no_quality: Reason | None = failed or reasons["quality"] or (None if rows else "error") or reasons["summary"]
    summary = jobs["summary"].data.summary if jobs["summary"] and not no_quality else None
    if no_quality is None and summary is None:
        no_quality = "error"
    numbers = quality_numbers(setting, rows, summary, parts.replicates if summary else None, no_quality)
    if summary is not None:
        numbers = [remarked(number, summary.remarks) for number in numbers]
    used, stopping = len(setting.samples), setting.stopping
    is_decided = stopping is None or stopping.verdict != "undecided" or used == setting.pool
    complete = rows is not None and is_decided and (summary is not None or reasons["summary"] is not None)

    blocked = failed or ("simulated" if setting.execution == "simulated" else None) or reasons["quality"]

    def why(is_asked: bool, job: str) -> Reason | None:
        """Return why a pass gave nothing, as far as that is known."""
        return (blocked or reasons[job]) if is_asked else "not_requested"

    no_latency = why(asked.batch_sizes is not None, "latency")
    timed = _flagged([] if no_latency else list(parts.timed), jobs, declared.deterministic)
    noise = noise_of([one.ours for one in timed])
    if noise is not None and noise.grade == "C":
        timed = [replace(one, extra_flags=(*one.extra_flags, "noisy_machine")) for one in timed]
    sizes = asked.batch_sizes if asked.batch_sizes is not None else (1,)
    numbers += latency_numbers(timed, sizes, no_latency, asked.ci, setting.role == "reference")
    complete = complete and (no_latency is not None or all(one.ours.steady for one in timed))

    no_memory = why(asked.memory, "memory")
    use = jobs["memory"].data.known() if jobs["memory"] and not no_memory else None
    numbers += memory_numbers(use, no_memory, setting.place.device)
    complete = complete and (no_memory is not None or use is not None)

    no_compute = why(asked.flops and asked.inspect, "inspect")
    seen = jobs["inspect"].data.known() if jobs["inspect"] and not no_compute else None
    at_one = next((one.ours for one in timed if one.batch_size == 1 and one.ours.steady), None)
    seconds = float(np.median([ns for walls in at_one.steady.values() for ns in walls])) / 1e9 if at_one else None
    no_time: Reason = no_latency or ("error" if 1 in sizes else "not_requested")
    calibration = Calibration(**setting.place.calibration) if setting.place.calibration else None
    numbers += compute_numbers(seen, no_compute, seconds, no_time, calibration, setting.place.no_calibration)
    complete = complete and (why(asked.inspect, "inspect") is not None or jobs["inspect"] is not None)

    no_energy = why(asked.energy, "energy")
    used_energy = jobs["energy"].data.known() if jobs["energy"] and not no_energy else None
    numbers.append(energy_number(used_energy, no_energy))
    prepared = _preparation(parts, declared.prepares, failed or (None if declared.prepares else reasons["quality"]))
    quality = jobs["quality"]
    told = quality.data if quality is not None and not failed else None
    numbers += [prepared, *_whole_preparation(prepared, told)]
    numbers += fact_numbers(told.facts, told.fact_trainings) if told is not None else []
    return _Made(numbers, complete, noise)


def _reason(job: JobResult | None) -> Reason | None:
    return job.attempt.reason if job is not None and job.status == "failed" else None


def _flagged(timed: list[Timed], jobs: Mapping[str, JobResult | None], deterministic: bool) -> list[Timed]:
    """Return timings with the flag that what was timed gave another output; a deterministic task's are withheld anyway."""
    if deterministic or same_probe(jobs, "latency") is not False:
        return timed
    return [replace(one, extra_flags=(*one.extra_flags, "probe_differs")) for one in timed]


def _preparation(parts: CellParts, prepares: bool, failed: Reason | None) -> Number:
    """Return the seconds that preparing took, the mean over trainings; zero by definition where nothing is prepared.

    ``failed`` is why there is none: a cell that has nothing to prepare and no system that ran did not take zero seconds.
    """
    if failed or not prepares:
        return single_number("preparation_s", None if failed else 0.0, failed, primary=True)
    seconds = [job.data.seconds for job in parts.preparations if job is not None and job.data.seconds is not None]
    value = float(np.mean(seconds)) if seconds and len(seconds) == len(parts.preparations) else None
    number = single_number("preparation_s", value, "error", primary=True)
    return replace(number, n=len(seconds)) if value is not None else number


def _whole_preparation(prepared: Number, told: JobData | None) -> list[Number]:
    """Return the preparation with what was spent before it by the method's own account, if it gives one."""
    facts = (told.facts if told is not None else None) or {}
    before = [facts[name][0] for name in (told and told.facts_before_preparing) or () if name in facts]
    if not before:
        return []
    with np.errstate(over="ignore"):
        value = None if prepared.value is None else prepared.value + float(np.sum(before))
    if value is not None and not np.isfinite(value):
        return []
    number = single_number("preparation_whole_s", value, prepared.reason)
    return [replace(number, n=prepared.n) if value is not None else number]


def noise_of(timings: list[Timings]) -> Noise | None:
    """Return the noise of the worst round, or None where nothing was timed (or by a version that did not look)."""
    readings = [
        NoiseReading(*(_as_reading(name, quiet.get(name)) for name in NOISE_COLUMNS))
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
