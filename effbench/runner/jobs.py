"""What the parent tells a worker to do, and what it hears back: plain data that crosses a pipe."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from effbench.api import Method, Sample, Task
from effbench.record import Reason

JobKind = Literal["prepare", "quality", "summary", "inspect", "memory", "energy", "latency", "calibrate"]


@dataclass(frozen=True)
class Batch:
    """Samples that run together under one seed; committed whole or not at all."""

    seed: int
    samples: tuple[Sample, ...]

    @property
    def key(self) -> str:
        """Return the name of the batch's part."""
        ids = "\0".join(sample.id for sample in self.samples)
        return f"s{self.seed}-{hashlib.sha256(ids.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class JobSpec:
    """One piece of a cell's work for one process."""

    kind: JobKind
    name: str
    """Under which its result is kept: the kind, with the training's seed where each seed prepares by itself."""
    task: Task
    chain: tuple[Method, ...]
    device: str
    dtype: str
    threads: int
    cpus: tuple[int, ...]
    cell_path: Path
    code_version: str
    max_memory_bytes: int | None = None
    probe_batch_size: int = 1
    batches: tuple[Batch, ...] = ()
    reference_outputs: Path | None = None
    reference_cell: str = ""
    keep_outputs: bool = False
    count_flops: bool = False
    warmup_s: float = 1.0
    probe_seed: int = 0
    trainings: tuple[int | None, ...] = ()
    """Seeds whose artifact the job prepares or uses, the first one wherever one suffices; (None,): one artifact for all."""
    rows: frozenset[tuple[int, str]] = frozenset()
    """(seed, sample id) of the rows that a summary is of."""
    weights: Mapping[str, float] | None = None
    resamples: int = 0
    batch_size: int = 1
    validation_seed: int = 0
    """Whose noise the validation split is run under, where one artifact serves all seeds."""
    listed: str = ""
    """Hash of the ids that the planning process was given for the whole evaluation split; "": not to be compared."""


@dataclass(frozen=True)
class Turn:
    """The parent gives the worker the machine for ``seconds``, to call one of its items."""

    seconds: float
    item: int = 0


@dataclass(frozen=True)
class Progress:
    """The worker is alive and has finished a piece (a batch, the warm-up), or says how far a preparation is."""

    what: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """The job is finished; ``data`` is what it leaves besides tables."""

    data: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """The job ended in a failure of the method's own (or of the store, where ``store`` is set)."""

    reason: Reason
    message: str
    traceback: str = ""
    store: bool = False


Message = Progress | Done | Failed


def job_name(kind: JobKind, training: int | None = None) -> str:
    """Return under which name the result of a job is kept."""
    return kind if training is None else f"{kind}-s{training}"


def plan_batches(
    samples: Sequence[Sample], seeds: Sequence[int], batch_size: int, done: Collection[tuple[int, str]]
) -> list[Batch]:
    """Return the batches that are still to run: per seed the samples without a committed row, in order, chunked.

    Batches are committed whole, so what is left of an interrupted run falls into the same batches again.
    """
    batches = []
    for seed in seeds:
        left = [sample for sample in samples if (seed, sample.id) not in done]
        batches += [Batch(seed, tuple(left[i : i + batch_size])) for i in range(0, len(left), batch_size)]
    return batches
