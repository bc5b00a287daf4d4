"""Executes a plan on this machine: per task the reference first, cell by cell, then the latency rounds of all of them.

Whatever is in the store already is not done again; a failure costs its own cell only.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil

from effbench.errors import BadInput, StoreError
from effbench.measure.energy import find_counter
from effbench.measure.machine import chosen_cpus, facts, fingerprint, physical_cores
from effbench.measure.roofline import Calibration
from effbench.parts import metadata_values, read_parts
from effbench.record import CellRecord, Reason
from effbench.runner import finish
from effbench.runner.building import needs_preparation
from effbench.runner.holdings import (
    damaged_files,
    has_outputs,
    rows_of,
    set_aside_foreign_scores,
    set_aside_incomplete_rows,
)
from effbench.runner.isolation import Launcher, WorkerError
from effbench.runner.jobs import Done, Failed, JobKind, JobSpec, Progress, plan_batches
from effbench.runner.peaks import peaks_for
from effbench.runner.plan import Cell, Plan, TaskPlan
from effbench.runner.progress import Reporter
from effbench.runner.provenance import Surroundings
from effbench.runner.rounds import RoundRunner
from effbench.runner.stopping import looks_at, samples_used
from effbench.store import SAMPLE_KEY, CellFolder, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY_SHARE = 0.85


@dataclass
class Outcome:
    """What a run left: how many cells were finished in it or before, and the labels of those that failed."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    computed: int = 0


class Stopped(Exception):
    """A cell failed under ``on_error: stop``."""


class Executor:
    """Fills a store with what a plan asks for."""

    def __init__(self, plan: Plan, store: Store, accept_code_change: bool = False, quiet: bool = False) -> None:
        self.plan, self.suite, self.store = plan, plan.suite, store
        self.accept_code_change, self.quiet = accept_code_change, quiet
        self.machine = fingerprint()
        self.cpus = chosen_cpus(self.suite.execution.cpus, self.suite.execution.threads)
        self.threads = self.suite.execution.threads or min(physical_cores(), len(self.cpus) or physical_cores())
        limit = self.suite.execution.max_memory_gb
        free = psutil.virtual_memory().available
        self.max_memory_bytes = int(limit * 1e9) if limit else int(free * MEMORY_SHARE)
        preload = sorted({module for task in plan.tasks for module in task.task.preload})
        self.launcher = Launcher(self.suite.execution.start, preload, self.threads)
        self.outcome = Outcome()
        self._extended: set[str] = set()

    def run(self) -> Outcome:
        """Do everything that is missing and return what the store then holds of the plan."""
        for cell in self.plan.cells:
            self._check_code(cell)
        todo = [task for task in self.plan.tasks if any(not self._is_done(task, cell) for cell in task.cells)]
        wants_peaks = self.suite.measure.flops and self.suite.measure.inspect and self.suite.measure.latency
        found: Calibration | Reason = peaks_for(self, todo) if wants_peaks else "not_requested"
        peaks = found if isinstance(found, Calibration) else None
        why_not: Reason = "error" if isinstance(found, Calibration) else found
        self.around = Surroundings(self.machine, self.threads, self.cpus, peaks, why_not)
        self.store.write_machine(self.machine, {**facts(), **({"calibration": asdict(peaks)} if peaks else {})})
        with Reporter(sum(self._pieces(task) for task in todo), self.quiet) as self.report:
            try:
                for task in todo:
                    self._run_task(task)
            except Stopped:
                pass
        for task in self.plan.tasks:
            for cell in task.cells:
                self._account(cell)
        return self.outcome

    def _account(self, cell: Cell) -> None:
        record = self.store.cell(cell.id).record()
        if record is not None and record.status == "complete":
            self.outcome.done.append(cell.label)
        elif cell.label not in self.outcome.failed:
            self.outcome.failed[cell.label] = "not run"

    def _is_done(self, task: TaskPlan, cell: Cell) -> bool:
        folder = self.store.cell(cell.id)
        record = folder.record()
        return (
            record is not None
            and record.status == "complete"
            and record.plan_sha256 == finish.plan_sha256(self.suite, task, cell)
            and record.n_samples == samples_used(self.suite, task, cell, self.store)[0]
            and folder.is_intact(record)
            and (not self._keeps(cell) or has_outputs(folder, rows_of(task, self.suite.seeds, record.n_samples)))
        )

    def _keeps(self, cell: Cell) -> bool:
        """Return whether the suite asks for a cell's outputs to be kept."""
        return cell.role == "reference" or self.suite.output.outputs == "all"

    def _check_code(self, cell: Cell) -> None:
        """Refuse to mix parts of different code, unless the user accepts that."""
        folder = self.store.cell(cell.id)
        found = metadata_values(folder.samples, "code_version") | metadata_values(folder.timings, "code_version")
        for name in ("prepare", "quality", "inspect", "memory", "energy"):
            job = folder.job(name)
            found |= {job["code_version"]} if job else set()
        if found - {cell.code_version} and not self.accept_code_change:
            raise BadInput(
                f"{cell.label}: the store holds parts made by another version of this task's or method's code; "
                "--fresh moves them aside and starts anew, --accept-code-change keeps them"
            )

    def _pieces(self, task: TaskPlan) -> int:
        latency = self.suite.measure.latency
        rounds = latency.rounds * len(latency.batch_sizes) if latency else 0
        return sum(len(self._missing_batches(task, cell)) + 1 for cell in task.cells) + rounds

    def _missing_batches(self, task: TaskPlan, cell: Cell, upto: int | None = None) -> list[Any]:
        rows = finish.committed_rows(read_parts(self.store.cell(cell.id).samples, SAMPLE_KEY))
        return plan_batches(task.samples[:upto], self.suite.seeds, task.entry.batch_size, rows)

    def _run_task(self, task: TaskPlan) -> None:
        if task.reference is not None:
            self._drop_damaged(task.reference)  # before anything is scored against its outputs
        started_with = {cell.id: self._is_done(task, cell) for cell in task.cells}
        for cell in task.cells:
            if not started_with[cell.id]:
                if cell is not task.reference:
                    self._drop_damaged(cell)
                self._run_cell(task, cell)
                self.report.advance()
        retimed = RoundRunner(self, task).run() if self.suite.measure.latency else set()
        for cell in task.cells:
            if not started_with[cell.id] or cell.id in retimed or cell.id in self._extended:
                self.report.now(f"{cell.label}: numbers")
                self._finish(task, cell)

    def _finish(self, task: TaskPlan, cell: Cell) -> None:
        record: CellRecord = finish.finish_cell(self.suite, task, cell, self.store, self.around)
        self.outcome.computed += 1
        if record.status == "failed":
            last = {attempt.job: attempt for attempt in record.attempts}
            failures = [f"{a.job}: {a.reason}: {a.message}" for a in last.values() if a.status == "failed"]
            self.outcome.failed[cell.label] = (
                cell.unsupported or "; ".join(failures) or self._why_incomplete(task, cell)
            )

    def _why_incomplete(self, task: TaskPlan, cell: Cell) -> str:
        reference = task.reference
        if reference is not None and task.reference_of(cell) and reference.label in self.outcome.failed:
            return f"no_reference: {reference.label} failed, and a metric needs its outputs"
        return "incomplete"

    def _drop_damaged(self, cell: Cell) -> None:
        """Set files aside whose content is not what their name says; their rows will be computed again."""
        for file in damaged_files(self.store.cell(cell.id)):
            self.report.say(f"{cell.label}: {file.name} is damaged; it is set aside and computed again")
            file.rename(file.with_suffix(".damaged"))

    def _run_cell(self, task: TaskPlan, cell: Cell) -> None:
        """Run the prepare, quality and memory jobs that are missing; a failure ends the cell, not the run."""
        if cell.unsupported:
            self._ended(cell, "quality", Failed("unsupported", cell.unsupported), time.time())
            return
        prepared = not needs_preparation(cell.chain) or self.job_done(cell, "prepare")
        if not (prepared or self._single_job(task, cell, "prepare")) or not self._quality(task, cell):
            return
        for kind in self.passes_of(task, cell):
            if not self.job_done(cell, kind):
                self._single_job(task, cell, kind)

    def passes_of(self, task: TaskPlan, cell: Cell) -> list[JobKind]:
        """Return the passes that a cell needs after its quality: none where it only imitates what it claims."""
        wanted: list[tuple[JobKind, bool]] = [
            ("inspect", self.suite.measure.inspect),
            ("memory", self.suite.measure.memory),
            ("energy", self.suite.measure.energy == "auto" and find_counter(task.device) is not None),
        ]
        return [kind for kind, asked in wanted if asked and cell.execution == "real"]

    def job_done(self, cell: Cell, name: str) -> bool:
        """Return whether a job of a cell has succeeded."""
        job = self.store.cell(cell.id).job(name)
        return job is not None and job["status"] == "done"

    def spec(self, task: TaskPlan, cell: Cell, kind: JobKind, **more: Any) -> JobSpec:
        """Return the job of a cell with everything that is the same for all kinds."""
        return JobSpec(
            kind=kind,
            task=task.task,
            chain=cell.chain,
            device=task.device,
            dtype=task.dtype,
            listed=task.listed,
            threads=self.threads,
            cpus=self.cpus,
            count_flops=self.suite.measure.flops,
            cell_path=self.store.cell(cell.id).path,
            code_version=cell.code_version,
            # CUDA reserves address space that such a limit would count.
            max_memory_bytes=self.max_memory_bytes if task.device == "cpu" else None,
            **{"probe_batch_size": self.first_batch_size, **more},
        )

    @property
    def first_batch_size(self) -> int:
        """Return the batch size of the probe whose hash all jobs of a cell must agree on."""
        return self.suite.measure.latency.batch_sizes[0] if self.suite.measure.latency else 1

    def _single_job(self, task: TaskPlan, cell: Cell, kind: JobKind) -> bool:
        self.report.now(f"{cell.label}: {kind}")
        return self._run_job(cell, self.spec(task, cell, kind))

    def _quality(self, task: TaskPlan, cell: Cell) -> bool:
        """Run the cell on all samples, or look by look on as many as decide; return whether it has what it needs."""
        reference = task.reference
        if self.suite.stats.stop != "when_resolved" or reference is None:
            return self._quality_of(task, cell, len(task.samples))
        looks = looks_at(len(task.samples))
        if cell is reference:
            return self._quality_of(task, cell, looks[0])
        for n in looks:
            if not self._quality_of(task, reference, n):
                why = "the reference failed, so no difference to it can be resolved"
                self._ended(cell, "quality", Failed("error", why), time.time())
                return False
            if not self._quality_of(task, cell, n):
                return False
            used, found = samples_used(self.suite, task, cell, self.store)
            if found is not None and found.verdict != "undecided":
                self.report.say(f"{cell.label}: {found.metric} is {found.verdict} after {used} samples")
                return True
        return True

    def _quality_of(self, task: TaskPlan, cell: Cell, upto: int) -> bool:
        """Run the cell on those of its first ``upto`` samples that it has not run on yet."""
        kept = self._kept_reference(task, cell, upto)
        folder, planned = self.store.cell(cell.id), rows_of(task, self.suite.seeds, upto)
        why = set_aside_foreign_scores(task, cell, folder, has_reference=bool(kept))
        why = why or set_aside_incomplete_rows(task, folder, planned, self._keeps(cell))
        if why:
            self.report.say(f"{cell.label}: {why}; it is run again where that is needed, what there was is set aside")
        batches = tuple(self._missing_batches(task, cell, upto))
        if not batches and self.job_done(cell, "quality"):
            return True
        self._extended.add(cell.id)
        self.report.now(f"{cell.label}: quality")
        spec = self.spec(
            task,
            cell,
            "quality",
            batches=batches,
            reference_outputs=self.store.cell(kept).outputs if kept else None,
            reference_cell=kept,
            keep_outputs=self._keeps(cell),
        )
        return self._run_job(cell, spec)

    def _kept_reference(self, task: TaskPlan, cell: Cell, upto: int) -> str:
        """Return the id of the reference cell whose outputs can be compared with, or ""."""
        reference = task.reference_of(cell)
        if not reference:
            return ""
        whole = has_outputs(self.store.cell(reference), rows_of(task, self.suite.seeds, upto))
        return reference if whole else ""

    def _run_job(self, cell: Cell, spec: JobSpec) -> bool:
        """Run one job in a worker of its own and record how it ended; return whether it succeeded.

        A worker that died by a signal gets one more try: what killed it (a person, the machine) need not be its method.
        """
        started, earlier = time.time(), []
        ended = self._listen(spec)
        if isinstance(ended, Failed) and ended.reason == "signal":
            self.report.say(f"{cell.label}: {spec.kind}: {ended.message}; it is tried once more")
            earlier, started = [self._attempt(spec.kind, started, ended)], time.time()
            ended = self._listen(self._rest_of(spec))
        self._ended(cell, spec.kind, ended, started, earlier)
        return isinstance(ended, Done)

    def _listen(self, spec: JobSpec) -> Done | Failed:
        """Run one job in a worker of its own and return how it ended."""
        worker = None
        try:
            worker = self.launcher.start(spec)
            while isinstance(message := worker.receive(self.suite.execution.timeout_s), Progress):
                self.report.advance()
            if isinstance(message, Done):
                worker.finish()
            return message
        except WorkerError as error:
            return error.failure
        finally:
            if worker is not None:
                worker.kill()

    def _rest_of(self, spec: JobSpec) -> JobSpec:
        """Return the job without the batches that it has committed."""
        done = finish.committed_rows(read_parts(CellFolder(spec.cell_path).samples, SAMPLE_KEY))
        left = [b for b in spec.batches if any((b.seed, sample.id) not in done for sample in b.samples)]
        return replace(spec, batches=tuple(left))

    def _ended(
        self, cell: Cell, job: str, ended: Done | Failed, started: float, earlier: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Record how a job ended, and the try before it where there was one."""
        before = {"earlier": [dict(attempt) for attempt in earlier]} if earlier else {}
        folder = self.store.cell(cell.id)
        if isinstance(ended, Done):
            data = ended.data
            previous = folder.job(job)
            if job == "quality" and previous and previous["status"] == "done":
                sums = {name: data[name] + previous["data"].get(name, 0.0) for name in ("model_s", "score_s", "loop_s")}
                data = {**previous["data"], **data, **sums}
            attempt = self._attempt(job, started, ended)
            folder.write_job(job, {**self._job_record(cell, "done", attempt, data), **before})
            return
        if ended.store:
            raise StoreError(ended.message)
        attempt = self._attempt(job, started, ended)
        folder.write_job(job, {**self._job_record(cell, "failed", attempt, {}), **before})
        self.report.say(f"{cell.label}: {job} failed: {ended.reason}: {ended.message}")
        if self.suite.execution.on_error == "stop":
            raise Stopped

    def _attempt(self, job: str, started: float, ended: Done | Failed) -> dict[str, Any]:
        """Return the record of a try."""
        begun = datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")
        status = "done" if isinstance(ended, Done) else "failed"
        attempt = {"job": job, "status": status, "started_utc": begun, "seconds": round(time.time() - started, 3)}
        why = {"reason": ended.reason, "message": ended.message} if isinstance(ended, Failed) else {}
        return {**attempt, **why}

    def _job_record(
        self, cell: Cell, status: str, attempt: Mapping[str, Any], data: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "status": status,
            "code_version": cell.code_version,
            "machine": self.machine,
            "attempt": dict(attempt),
            "data": dict(data),
        }

    def record_latency(self, cell: Cell, started: float, result: Done | Failed) -> None:
        """Record how a cell's part in a latency round ended; that a signal ended a worker of an earlier round stays known."""
        previous = self.store.cell(cell.id).job("latency") or {}
        died = [a for a in finish.tries(previous) if a.get("reason") == "signal"] if previous else []
        self._ended(cell, "latency", result, started, died[:1])


@contextmanager
def opened(store: Store, plan: Plan, whole: Plan) -> Iterator[Store]:
    """Open the store for ``plan`` (a part of ``whole``, whose cells it lists) and close it whatever happens."""
    cells = [{"id": c.id, "task": c.task_id, "method": c.method_id} for c in whole.cells]
    store.open(plan.suite.model_dump(mode="json", by_alias=True), cells)
    try:
        yield store
    finally:
        store.close()
