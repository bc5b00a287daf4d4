"""Runs one job of a cell in a worker of its own, keeps what it left, and says whether it succeeded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from effbench.errors import StoreError
from effbench.parts import read_parts
from effbench.record import Attempt
from effbench.runner.cells import Cell, TaskPlan
from effbench.runner.holdings import committed_rows
from effbench.runner.jobs import Done, Failed, JobKind, JobSpec, Message, Progress, job_name
from effbench.runner.launching import Launcher, Worker, WorkerError
from effbench.runner.progress import Reporter
from effbench.store import SAMPLE_KEY, CellFolder, Store
from effbench.storeschema import JobData, JobResult
from effbench.suite import Suite

SUMMED = ("model_s", "score_s", "loop_s")
"""What a quality job adds to what an interrupted one before it has spent."""


class Stopped(Exception):
    """A cell failed under ``on_error: stop``."""


@dataclass(frozen=True)
class Resources:
    """What every worker of a run gets of the machine."""

    threads: int
    cpus: tuple[int, ...]
    max_memory_bytes: int | None


class JobRunner:
    """Runs jobs of one suite and keeps their results in its store."""

    def __init__(self, suite: Suite, store: Store, launcher: Launcher, resources: Resources, report: Reporter) -> None:
        self.suite, self.store, self.launcher = suite, store, launcher
        self.resources, self.report = resources, report

    @property
    def first_batch_size(self) -> int:
        """Return the batch size of the probe whose hash all jobs of a cell must agree on."""
        return self.suite.measure.latency.batch_sizes[0] if self.suite.measure.latency else 1

    def spec(self, task: TaskPlan, cell: Cell, kind: JobKind, training: int | None = None, **more: Any) -> JobSpec:
        """Return the job of a cell with everything that is the same for all kinds; ``training`` is the one to prepare."""
        trainings = cell.trainings(self.suite.seeds)
        return JobSpec(
            kind=kind,
            name=job_name(kind, training),
            task=task.task,
            chain=cell.chain,
            device=task.device,
            dtype=task.dtype,
            listed=task.listed,
            threads=self.resources.threads,
            cpus=self.resources.cpus,
            count_flops=self.suite.measure.flops,
            cell_path=self.store.cell(cell.id).path,
            code_version=cell.code_version,
            # CUDA reserves address space that such a limit would count.
            max_memory_bytes=self.resources.max_memory_bytes if task.device == "cpu" else None,
            trainings=(training,) if kind == "prepare" else trainings,
            batch_size=task.entry.batch_size,
            validation_seed=self.suite.seeds[0],
            **{"probe_batch_size": self.first_batch_size, **more},
        )

    def is_done(self, cell: Cell, name: str) -> bool:
        """Return whether a job of a cell has succeeded."""
        job = self.store.cell(cell.id).job(name)
        return job is not None and job.status == "done"

    def run(self, cell: Cell, spec: JobSpec) -> bool:
        """Run one job in a worker of its own and record how it ended; return whether it succeeded."""
        job = OpenJob(self, cell, spec)
        try:
            job.start()
            while job.succeeded is None:
                job.wait()
            return job.succeeded
        finally:
            job.close()

    def heard(self, spec: JobSpec, progress: Progress) -> None:
        """Show that a job is alive."""
        if progress.what == "moves":
            self._moves(spec, progress.data)
        else:
            self.report.advance()

    def _moves(self, spec: JobSpec, data: dict[str, Any]) -> None:
        """Show how far a preparation is, where that costs no line."""
        if self.report.is_live and "total" in data:
            self.report.now(f"{spec.name}: {data['text']} {data['done']:g}/{data['total']:g}")

    def ended(
        self, cell: Cell, name: str, ended: Done | Failed, started: float, earlier: Sequence[Attempt] = ()
    ) -> None:
        """Record how a job ended, and the tries before it; raise ``Stopped`` where the suite stops at a failure.

        Raises ``StoreError`` where the job failed for the store.
        """
        if isinstance(ended, Failed) and ended.store:
            raise StoreError(ended.message)
        folder = self.store.cell(cell.id)
        data = ended.data if isinstance(ended, Done) else {}
        previous = folder.job(name)
        if isinstance(ended, Done) and name == "quality" and previous is not None and previous.status == "done":
            before = previous.data.known()
            data = {**before, **data, **{key: data[key] + before.get(key, 0.0) for key in SUMMED}}
        attempt = _attempt(name, started, ended)
        known: dict[str, Any] = {"earlier": tuple(earlier)} if earlier else {}
        result = JobResult(
            status=attempt.status,
            code_version=cell.code_version,
            machine=self.launcher.machine,
            attempt=attempt,
            data=JobData(**data),
            **known,
        )
        folder.write_job(name, result)
        if isinstance(ended, Failed):
            self.report.say(f"{cell.label}: {name} failed: {ended.reason}: {ended.message}")
            if self.suite.execution.on_error == "stop":
                raise Stopped

    def record_latency(self, cell: Cell, started: float, result: Done | Failed) -> None:
        """Record how a cell's part in a latency round ended; that a signal ended a worker of an earlier round stays known."""
        previous = self.store.cell(cell.id).job("latency")
        died = [attempt for attempt in previous.tries if attempt.reason == "signal"] if previous else []
        self.ended(cell, "latency", result, started, died[:1])


class OpenJob:
    """A job of a cell from its start until it is recorded how it ended.

    A worker that died by a signal gets one more try: what killed it (a person, the machine) need not be its method.
    """

    def __init__(self, runner: JobRunner, cell: Cell, spec: JobSpec) -> None:
        self.runner, self.cell, self.spec = runner, cell, spec
        self.earlier: list[Attempt] = []
        self.worker: Worker | None = None
        self.started = self.heard_at = 0.0
        self.succeeded: bool | None = None
        """None until the job has ended."""

    def start(self) -> None:
        """Start its worker."""
        self.started, self.heard_at = time.time(), time.monotonic()
        try:
            self.worker = self.runner.launcher.start(self.spec)
        except WorkerError as error:
            self._take(error.failure)

    def wait(self) -> None:
        """Block until the worker says something, and take note of it."""
        assert self.worker is not None
        try:
            message = self.worker.receive(self._timeout_s)
        except WorkerError as error:
            message = error.failure
        self._take(message)

    def look(self) -> None:
        """Take note of what the worker has said, if it has said anything."""
        assert self.worker is not None
        message: Message | None
        try:
            message = self.worker.poll(time.monotonic() - self.heard_at, self._timeout_s)
        except WorkerError as error:
            message = error.failure
        if message is not None:
            self._take(message)

    def close(self) -> None:
        """End the worker, if there is one."""
        if self.worker is not None:
            self.worker.kill()
            self.worker = None

    @property
    def _timeout_s(self) -> float:
        return self.runner.suite.execution.timeout_s

    def _take(self, message: Message) -> None:
        if isinstance(message, Progress):
            self.heard_at = time.monotonic()
            self.runner.heard(self.spec, message)
            return
        if isinstance(message, Done) and self.worker is not None:
            self.worker.finish()
        self.close()
        if isinstance(message, Failed) and message.reason == "signal" and not self.earlier:
            self.runner.report.say(f"{self.cell.label}: {self.spec.name}: {message.message}; it is tried once more")
            self.earlier = [_attempt(self.spec.name, self.started, message)]
            self.spec = _rest_of(self.spec)
            self.start()
            return
        self.succeeded = isinstance(message, Done)
        self.runner.ended(self.cell, self.spec.name, message, self.started, self.earlier)


def _rest_of(spec: JobSpec) -> JobSpec:
    """Return the job without the batches that it has committed."""
    done = committed_rows(read_parts(CellFolder(spec.cell_path).samples, SAMPLE_KEY))
    left = [b for b in spec.batches if any((b.seed, sample.id) not in done for sample in b.samples)]
    return replace(spec, batches=tuple(left))


def _attempt(name: str, started: float, ended: Done | Failed) -> Attempt:
    """Return the record of a try."""
    begun = datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds")
    seconds = round(time.time() - started, 3)
    if isinstance(ended, Done):
        return Attempt(job=name, status="done", started_utc=begun, seconds=seconds)
    return Attempt(
        job=name, status="failed", reason=ended.reason, message=ended.message, started_utc=begun, seconds=seconds
    )
