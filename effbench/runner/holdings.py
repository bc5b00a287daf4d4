"""What of a cell's committed rows a suite can still use: scored against its reference, with their outputs where kept.

A suite may change between two runs: a reference is named later or moves to another method, outputs are to be kept from now
on, files are lost. Rows that no longer fit are set aside, never deleted, and their samples run again; all others stay.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.atomic import name_matches_content
from effbench.inside import files_inside, is_inside
from effbench.parts import SCORE, KeptOutputs, metadata_values, part_files, read_part, read_parts, write_part
from effbench.runner.cells import Cell, TaskPlan
from effbench.store import SAMPLE_KEY, CellFolder

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[int, str]
"""(seed, sample id)."""


def rows_of(task: TaskPlan, seeds: Iterable[int], upto: int | None = None) -> set[Row]:
    """Return the rows of the first ``upto`` samples of a task, all by default."""
    return {(seed, sample.id) for seed in seeds for sample in task.samples[:upto]}


def committed_rows(table: pa.Table | None) -> set[Row]:
    """Return the (seed, sample id) that a cell has committed."""
    return set() if table is None else set(zip(table["seed"].to_pylist(), table["sample_id"].to_pylist()))


def has_outputs(folder: CellFolder, rows: Collection[Row]) -> bool:
    """Return whether the outputs behind all of the rows are kept."""
    kept = KeptOutputs(folder.outputs, skip_damaged=True)
    return all(kept.has(sample_id, seed) for seed, sample_id in rows)


def damaged_files(folder: CellFolder) -> list[Path]:
    """Return the parts of a cell whose content is not what their name says."""
    tables = [file for parts in (folder.samples, folder.timings) for file in part_files(parts)[1]]
    outputs = files_inside(folder.outputs, folder.root, "*.safetensors")
    return [*tables, *(file for file in outputs if not _is_whole(file, folder))]


def _is_whole(file: Path, folder: CellFolder) -> bool:
    return is_inside(file, folder.root) and name_matches_content(file)


def set_aside_foreign_scores(task: TaskPlan, cell: Cell, folder: CellFolder, has_reference: bool) -> str:
    """Set all rows of a cell aside that were scored against another reference than the suite's; return why, or "".

    ``has_reference``: the outputs of the suite's reference are there. Until they are, rows scored without them may stay.
    """
    if not any(metric.needs_reference for metric in task.task.metrics):
        return ""
    found, expected = metadata_values(folder.samples, "reference"), task.reference_of(cell)
    if found <= {expected} or (found <= {expected, ""} and not has_reference):
        return ""
    folder.samples.rename(_aside(folder, "samples-scored-otherwise"))
    if found <= {expected, ""}:
        return "was scored without the reference"
    return "was scored against another reference" if expected else "was scored against a reference"


def set_aside_incomplete_rows(task: TaskPlan, folder: CellFolder, planned: set[Row], keep: bool) -> str:
    """Set the planned rows aside whose outputs are to be kept and are not, or that lack a metric; return why, or ""."""
    table = read_parts(folder.samples, SAMPLE_KEY)
    if table is None:
        return ""
    rows = list(zip(*(table[name].to_pylist() for name in SAMPLE_KEY)))
    kept = KeptOutputs(folder.outputs, skip_damaged=True) if keep else None
    bare = {row for row in rows if row in planned and kept is not None and not kept.has(row[1], row[0])}
    per_sample = [SCORE + metric.name for metric in task.task.metrics if metric.per == "sample"]
    unscored: set[Row] = set()
    for column in per_sample:
        missing = table[column].is_null().to_pylist() if column in table.column_names else [True] * len(rows)
        unscored |= {row for row, is_missing in zip(rows, missing) if is_missing and row in planned}
    gone = bare | unscored
    if not gone:
        return ""
    _set_aside_rows(folder, gone)
    return (
        f"{len(bare or unscored)} of its results lack {'their outputs' if bare else 'a score that the task now gives'}"
    )


def _set_aside_rows(folder: CellFolder, gone: Collection[Row]) -> None:
    """Move every part that holds one of the rows aside; what else it holds stays, in a part that is written first.

    Whenever this is killed, each other row stands in the folder at least once, and of the ``gone`` rows those that are still
    there are found again by the next run.
    """
    import pyarrow as pa

    aside = _aside(folder, "samples-before")
    aside.mkdir()
    for file in part_files(folder.samples)[0]:
        part = read_part(file, SAMPLE_KEY)
        stays = [row not in gone for row in zip(*(part[name].to_pylist() for name in SAMPLE_KEY))]
        if all(stays):
            continue
        left = part.filter(pa.array(stays, pa.bool_()))
        if left.num_rows:
            metadata = {key.decode(): value.decode() for key, value in (part.schema.metadata or {}).items()}
            write_part(folder.samples, "kept", {name: left[name] for name in left.column_names}, metadata)
        file.rename(aside / file.name)


def _aside(folder: CellFolder, name: str) -> Path:
    return folder.path / f"{name}-{time.time_ns()}"
