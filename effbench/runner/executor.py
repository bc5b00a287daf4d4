"""Executes a plan on this machine: per task the reference first, cell by cell, then the latency rounds of all of them.

Whatever is in the store already is not done again; a failure costs its own cell only.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import psutil

from effbench.errors import BadInput
from effbench.measure.energy import find_counter
from effbench.measure.machine import facts
from effbench.numbers.parts import JOBS
from effbench.parts import metadata_values, read_parts
from effbench.readings import Calibration
from effbench.record import CellRecord, Reason
from effbench.runner import finish
from effbench.runner.cells import Cell, Plan, TaskPlan
from effbench.runner.holdings import (
    committed_rows,
    damaged_files,
    has_outputs,
    rows_of,
    set_aside_foreign_scores,
    set_aside_incomplete_rows,
)
from effbench.runner.isolation import LocalLauncher
from effbench.runner.jobrunner import JobRunner, Resources, Stopped
from effbench.runner.jobs import Failed, JobKind, job_name, plan_batches
from effbench.runner.launching import Launcher
from effbench.runner.peaks import peaks_for
from effbench.runner.progress import Reporter
from effbench.runner.provenance import Surroundings
from effbench.runner.rounds import RoundRunner
from effbench.runner.side_by_side import Steps, one_after_another, shared_out, side_by_side
from effbench.runner.stopping import group_size, looks_at, samples_used
from effbench.store import SAMPLE_KEY, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS_SHARE = 0.85
"""Of the memory that is free, what a worker may take: past it a machine without swap ends whatever is largest, maybe us."""
TIMED_OR_SUMMED = ("latency", "summary")
"""Jobs whose code version says nothing of the parts: the timings name their own, and a summary is made anew each time."""


@dataclass
class Outcome:
    """What a run left: how many cells were finished in it or before, and the labels of those that failed."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    computed: int = 0


class Executor:
    """Fills a store with what a plan asks for."""

    def __init__(self, plan: Plan, store: Store, accept_code_change: bool = False, quiet: bool = False) -> None:
        self.plan, self.suite, self.store = plan, plan.suite, store
        self.accept_code_change, self.quiet = accept_code_change, quiet
        self.slots, threads = shared_out(self.suite.execution)
        limit = self.suite.execution.max_memory_gb
        free = psutil.virtual_memory().available * WORKERS_SHARE / len(self.slots)
        self.resources = Resources(threads, self.slots[0], int(limit * 1e9) if limit else int(free))
        preload = sorted({module for task in plan.tasks for module in task.task.preload})
        self.launcher: Launcher = LocalLauncher(self.suite.execution.start, preload, threads)
        self.outcome = Outcome()
        self._extended: set[str] = set()

    def run(self) -> Outcome:
        """Do everything that is missing and return what the store then holds of the plan."""
        for cell in self.plan.cells:
            self._check_code(cell)
        todo = [task for task in self.plan.tasks if any(not self._is_done(task, cell) for cell in task.cells)]
        with Reporter(sum(self._pieces(task) for task in todo), self.quiet) as self.report:
            self.jobs = JobRunner(self.suite, self.store, self.launcher, self.resources, self.report)
            self.surroundings = self._look_around(todo)
            try:
                for task in todo:
                    self._run_task(task)
            except Stopped:
                pass
        for task in self.plan.tasks:
            for cell in task.cells:
                self._account(cell)
        return self.outcome

    def _look_around(self, todo: Sequence[TaskPlan]) -> Surroundings:
        """Return the machine that measures, with its peaks where they are asked for and can be measured."""
        wants_peaks = self.suite.measure.flops and self.suite.measure.inspect and self.suite.measure.latency
        found: Calibration | Reason = peaks_for(self.jobs, todo) if wants_peaks else "not_requested"
        peaks = found if isinstance(found, Calibration) else None
        why_not: Reason = "error" if isinstance(found, Calibration) else found
        machine, resources = self.launcher.machine, self.resources
        self.store.write_machine(machine, {**facts(), **({"calibration": asdict(peaks)} if peaks else {})})
        return Surroundings(machine, resources.threads, resources.cpus, peaks, why_not)

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
        prepares = [job_name("prepare", training) for training in cell.trainings(self.suite.seeds)]
        for name in dict.fromkeys((*prepares, *JOBS)):
            job = folder.job(name) if name not in TIMED_OR_SUMMED else None
            found |= {job.code_version} if job else set()
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
        rows = committed_rows(read_parts(self.store.cell(cell.id).samples, SAMPLE_KEY))
        return plan_batches(task.samples[:upto], self.suite.seeds, task.entry.batch_size, rows)

    def _run_task(self, task: TaskPlan) -> None:
        if task.reference is not None:
            self._drop_damaged(task.reference)  # before anything is scored against its outputs
        started_with = {cell.id: self._is_done(task, cell) for cell in task.cells}
        todo = [cell for cell in task.cells if not started_with[cell.id]]
        # The reference alone and first: others are compared with what it gave.
        self._do(task, [self._steps(task, cell) for cell in todo if cell is task.reference])
        self._do(task, [self._steps(task, cell) for cell in todo if cell is not task.reference])
        retimed = RoundRunner(self.jobs, task).run() if self.suite.measure.latency else set()
        changed = [c for c in task.cells if not started_with[c.id] or c.id in retimed or c.id in self._extended]
        if self._at_a_time(task) > 1:
            self.report.now(f"{task.entry.name}: summaries")
            self._do(task, [self._summarise(task, cell) for cell in changed])
        for cell in changed:
            self.report.now(f"{cell.label}: numbers")
            self._finish(task, cell)

    def _at_a_time(self, task: TaskPlan) -> int:
        """Return how many cells of a task may be worked on at a time.

        One where they share what is counted (a GPU, the machine's energy), run on more samples by turns, or where the first
        failure is to end the run.
        """
        is_alone = (
            task.device != "cpu"
            or self.suite.stats.stop != "all_samples"
            or self.suite.execution.on_error == "stop"
            or (self.suite.measure.energy == "auto" and find_counter(task.device) is not None)
        )
        return 1 if is_alone else len(self.slots)

    def _do(self, task: TaskPlan, work: Sequence[Steps[None]]) -> None:
        if self._at_a_time(task) > 1:
            side_by_side(self.jobs, work, self.slots)
        else:
            one_after_another(self.jobs, work)

    def _finish(self, task: TaskPlan, cell: Cell) -> None:
        stopped = None
        try:
            if self._at_a_time(task) == 1:
                self._do(task, [self._summarise(task, cell)])
        except Stopped as reason:  # the record says what failed, so it comes first
            stopped = reason
        record: CellRecord = finish.finish_cell(self.suite, task, cell, self.store, self.surroundings)
        self.outcome.computed += 1
        if record.status == "failed":
            last = {attempt.job: attempt for attempt in record.attempts}
            failures = [f"{a.job}: {a.reason}: {a.message}" for a in last.values() if a.status == "failed"]
            self.outcome.failed[cell.label] = (
                cell.unsupported or "; ".join(failures) or self._why_incomplete(task, cell)
            )
        if stopped is not None:
            raise stopped

    def _summarise(self, task: TaskPlan, cell: Cell) -> Steps[None]:
        """Let a worker make the summary and its resamples of the rows that count, where there are any."""
        used, _ = samples_used(self.suite, task, cell, self.store)
        rows = frozenset(rows_of(task, self.suite.seeds, used))
        if cell.unsupported or not rows or self._missing_batches(task, cell, used):
            return
        if not self.jobs.is_done(cell, "quality"):
            return
        spec = self.jobs.spec(
            task,
            cell,
            "summary",
            rows=rows,
            weights=task.weights,
            resamples=self.suite.stats.resamples,
            reference_cell=task.reference_of(cell),
        )
        yield cell, spec

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

    def _steps(self, task: TaskPlan, cell: Cell) -> Steps[None]:
        """Run what is missing of a cell but its timings; a failure ends the cell, not the run."""
        if cell is not task.reference:
            self._drop_damaged(cell)
        yield from self._jobs_of(task, cell)
        self.report.advance()

    def _jobs_of(self, task: TaskPlan, cell: Cell) -> Steps[None]:
        """Run the prepare, quality and memory jobs that are missing."""
        if cell.unsupported:
            self.jobs.ended(cell, "quality", Failed("unsupported", cell.unsupported), time.time())
            return
        for training in cell.trainings(self.suite.seeds):
            if not self._is_prepared(cell, training) and not (
                yield from self._single_job(task, cell, "prepare", training)
            ):
                return
        if not (yield from self._quality(task, cell)):
            return
        for kind in self.passes_of(task, cell):
            if not self.jobs.is_done(cell, kind):
                yield from self._single_job(task, cell, kind)

    def _is_prepared(self, cell: Cell, training: int | None) -> bool:
        return self.jobs.is_done(cell, job_name("prepare", training))

    def passes_of(self, task: TaskPlan, cell: Cell) -> list[JobKind]:
        """Return the passes that a cell needs after its quality: none where it only imitates what it claims."""
        wanted: list[tuple[JobKind, bool]] = [
            ("inspect", self.suite.measure.inspect),
            ("memory", self.suite.measure.memory),
            ("energy", self.suite.measure.energy == "auto" and find_counter(task.device) is not None),
        ]
        return [kind for kind, asked in wanted if asked and cell.execution == "real"]

    def _single_job(self, task: TaskPlan, cell: Cell, kind: JobKind, training: int | None = None) -> Steps[bool]:
        self.report.now(f"{cell.label}: {job_name(kind, training)}")
        return (yield cell, self.jobs.spec(task, cell, kind, training))

    def _quality(self, task: TaskPlan, cell: Cell) -> Steps[bool]:
        """Run the cell on all samples, or look by look on as many as decide; return whether it has what it needs."""
        reference = task.reference
        if self.suite.stats.stop != "when_resolved" or reference is None:
            return (yield from self._quality_of(task, cell, len(task.samples)))
        looks = looks_at(len(task.samples), group_size(task.samples))
        if cell is reference:
            return (yield from self._quality_of(task, cell, looks[0]))
        for n in looks:
            if not (yield from self._quality_of(task, reference, n)):
                why = "the reference failed, so no difference to it can be resolved"
                self.jobs.ended(cell, "quality", Failed("error", why), time.time())
                return False
            if not (yield from self._quality_of(task, cell, n)):
                return False
            used, found = samples_used(self.suite, task, cell, self.store)
            if found is not None and found.verdict != "undecided":
                self.report.say(f"{cell.label}: {found.metric} is {found.verdict} after {used} samples")
                return True
        return True

    def _quality_of(self, task: TaskPlan, cell: Cell, upto: int) -> Steps[bool]:
        """Run the cell on those of its first ``upto`` samples that it has not run on yet."""
        kept = self._kept_reference(task, cell, upto)
        folder, planned = self.store.cell(cell.id), rows_of(task, self.suite.seeds, upto)
        why = set_aside_foreign_scores(task, cell, folder, has_reference=bool(kept))
        why = why or set_aside_incomplete_rows(task, folder, planned, self._keeps(cell))
        if why:
            self.report.say(f"{cell.label}: {why}; it is run again where that is needed, what there was is set aside")
        batches = tuple(self._missing_batches(task, cell, upto))
        if not batches and self.jobs.is_done(cell, "quality"):
            return True
        self._extended.add(cell.id)
        self.report.now(f"{cell.label}: quality")
        spec = self.jobs.spec(
            task,
            cell,
            "quality",
            batches=batches,
            reference_outputs=self.store.cell(kept).outputs if kept else None,
            reference_cell=kept,
            keep_outputs=self._keeps(cell),
        )
        return (yield cell, spec)

    def _kept_reference(self, task: TaskPlan, cell: Cell, upto: int) -> str:
        """Return the id of the reference cell whose outputs can be compared with, or ""."""
        reference = task.reference_of(cell)
        if not reference:
            return ""
        whole = has_outputs(self.store.cell(reference), rows_of(task, self.suite.seeds, upto))
        return reference if whole else ""


@contextmanager
def opened(store: Store, plan: Plan, whole: Plan) -> Iterator[Store]:
    """Open the store for ``plan`` (a part of ``whole``, whose cells it lists) and close it whatever happens."""
    cells = [{"id": c.id, "task": c.task_id, "method": c.method_id} for c in whole.cells]
    store.open(plan.suite.model_dump(mode="json", by_alias=True), cells)
    try:
        yield store
    finally:
        store.close()
