"""The raw parts that the numbers of a cell are made from, as they stand in its store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from effbench.api import Scores
from effbench.parts import groups_of, metadata_values, read_parts, scores_of
from effbench.replicates import Replicates, read_replicates
from effbench.setting import Setting
from effbench.store import SAMPLE_KEY, CellFolder
from effbench.storeschema import JobResult
from effbench.timings import Timings, joined, rounds_of

if TYPE_CHECKING:
    import pyarrow as pa

JOBS = ("prepare", "quality", "summary", "inspect", "memory", "energy", "latency")
"""Kinds of jobs whose results a cell keeps, in the order of a run."""


@dataclass(frozen=True)
class Rows:
    """The rows of quality that count: scores of n rows, and of each its sample, group and seed."""

    scores: Scores
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Timed:
    """Timings of a cell and of the reference in the rounds that they share, for one batch size."""

    batch_size: int
    ours: Timings
    reference: Timings | None
    extra_flags: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class CellParts:
    """Everything that a record is made from besides the setting.

    ``preparations`` are the results of preparing, one per training. ``rows`` is None where a planned row is missing.
    """

    jobs: Mapping[str, JobResult | None]
    preparations: tuple[JobResult | None, ...]
    reference_memory: JobResult | None
    rows: Rows | None
    replicates: Replicates | None
    timed: tuple[Timed, ...]
    scored_against: frozenset[str]
    files: Mapping[str, str] = field(default_factory=dict)


def read_cell_parts(folder: CellFolder, setting: Setting, files: Mapping[str, str]) -> CellParts:
    """Return the parts of a cell as they stand in its store; raise ``StoreError`` where one is damaged."""
    jobs = {name: folder.job(name) for name in JOBS}
    trainings = setting.declared.trainings
    preparations = tuple(folder.job(f"prepare-s{seed}") for seed in trainings) if trainings else (jobs["prepare"],)
    beside = CellFolder(folder.path.parent / setting.reference_cell) if setting.reference_cell else None
    is_reference = beside is not None and beside.path == folder.path
    return CellParts(
        jobs=jobs,
        preparations=preparations if setting.declared.prepares else (),
        reference_memory=beside.job("memory") if beside is not None and not is_reference else None,
        rows=rows_of(folder, setting.asked.seeds, setting.samples),
        replicates=read_replicates(folder),
        timed=tuple(_timed(folder, beside, size, setting.place.machine) for size in setting.asked.batch_sizes or ()),
        scored_against=scored_against(folder),
        files=files,
    )


def rows_of(folder: CellFolder, seeds: tuple[int, ...], samples: tuple[str, ...]) -> Rows | None:
    """Return the rows of some samples under some seeds, or None where one of them is missing."""
    table = read_parts(folder.samples, SAMPLE_KEY)
    wanted = {(seed, sample) for seed in seeds for sample in samples}
    if table is None or not wanted:
        return None
    keep = [i for i, row in enumerate(keys_of(table)) if row in wanted]
    if len(keep) < len(wanted):
        return None
    chosen = table.take(keep)
    keys = keys_of(chosen)
    return Rows(
        scores_of(chosen), tuple(key[1] for key in keys), tuple(groups_of(chosen)), tuple(key[0] for key in keys)
    )


def keys_of(table: pa.Table) -> list[tuple[int, str]]:
    """Return (seed, sample id) of every row of a table of samples."""
    return list(zip(*(table[name].to_pylist() for name in SAMPLE_KEY)))


def scored_against(folder: CellFolder) -> frozenset[str]:
    """Return the ids of the reference cells that a cell's committed rows were scored against; "" stands for none."""
    return frozenset(metadata_values(folder.samples, "reference"))


def _timed(folder: CellFolder, beside: CellFolder | None, size: int, machine: str) -> Timed:
    """Return what the latency numbers of a batch size are made from: rows of rounds that the reference shares only."""
    ours = rounds_of(folder, size, machine)
    theirs = ours if beside is None or beside.path == folder.path else rounds_of(beside, size, machine)
    shared = sorted(set(ours) & set(theirs)) or sorted(ours)
    both = sorted(set(shared) & set(theirs))
    return Timed(size, joined(ours, shared), joined(theirs, both) if beside is not None and both else None)
