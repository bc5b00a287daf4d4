"""Level ``rescore``: the outputs that were sent in, scored again by the task's own judge on the verifier's machine.

The task's code runs, which the verifier has installed; none of the method's does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from effbench.api import Sample, Scores, Task
from effbench.digest import digest
from effbench.errors import BadInput, StoreError
from effbench.guard import PluginFailure, strangers
from effbench.legible import legible
from effbench.parts import ARRAY, SHAPE, KeptOutputs, groups_of, read_parts, scores_of
from effbench.record import CellRecord
from effbench.registry import tasks
from effbench.store import SAMPLE_KEY, CellFolder, read_store
from effbench.submission.checking import Finding, LevelOutcome
from effbench.submission.manifest import read_manifest
from effbench.submission.moves import moved_scores
from effbench.submission.settings import entry_of_task, read_suite, setting_against_task
from effbench.submission.summaries import task_sentences
from effbench.suite import Suite

if TYPE_CHECKING:
    import pyarrow as pa


class _Batch(NamedTuple):
    key: str
    seed: int
    rows: list[int]
    ids: list[str]


def rescore(path: Path) -> LevelOutcome:
    """Return whether scores follow from the outputs that were sent in and were scored, and the summary from the scores."""
    manifest, view, suite = read_manifest(path), read_store(path), read_suite(path)
    findings: list[Finding] = []
    compared, worst, missing, impossible = 0, 0.0, [], []
    for cell in view.cells:
        where, folder = f"{cell.task_id}/{cell.method_id}", CellFolder(path / "cells" / cell.id)
        try:
            with strangers(f"task {cell.identity.task!r}"):
                task = _task_of(cell)
        except (PluginFailure, BadInput) as error:
            impossible.append(f"{where}: {error}")
            continue
        try:
            findings += [Finding(where, legible(said)) for said in _of_task(folder, task, cell, suite)]
            found = _rescored(path, cell, task)
        except (StoreError, PluginFailure, ValueError, KeyError) as error:
            if type(task).keep is not Task.keep and isinstance(error.__cause__, KeyError):
                impossible.append(f"{where}: its task keeps less of an output than scores read ({error})")
            else:
                findings.append(Finding(where, legible(f"cannot be scored again: {error}")))
            continue
        if found is None:  # of a reference it need not be there
            missing += [where] if cell.id in manifest.cells else []
            continue
        compared += found.rows
        worst = max(worst, found.difference)
        findings += [Finding(where, what) for what in found.findings]
    why = [*impossible, *([f"no outputs were sent in of {', '.join(missing)}"] if missing else [])]
    return LevelOutcome("rescore", tuple(findings), compared, worst, legible("; ".join(why)))


def _task_of(cell: CellRecord) -> Task:
    plugin = tasks.get(cell.identity.task)
    return plugin(plugin.Params(**cell.identity.task_params))


def _of_task(folder: CellFolder, task: Task, cell: CellRecord, suite: Suite) -> list[str]:
    """Return sentences on what a cell says of its task, and of what that makes of scores."""
    setting, stops = folder.setting(), suite.stats.stop != "all_samples"
    if setting is None:
        return []
    entry = entry_of_task(suite, cell)
    with strangers(f"task {cell.identity.task!r}"):
        found = list(setting_against_task(setting, task, entry, stops))
    return found or list(task_sentences(folder, setting, task))


class _Rescored(NamedTuple):
    """What came of a cell: sentences, rows that were scored again, and the largest move relative to the spread."""

    findings: list[str]
    rows: int
    difference: float


def _rescored(path: Path, cell: CellRecord, task: Task) -> _Rescored | None:
    """Return what rescoring a cell finds, or None where no output of it was sent in."""
    folder = CellFolder(path / "cells" / cell.id)
    kept = KeptOutputs(folder.outputs)
    if not kept.captions:
        return None
    table = read_parts(folder.samples, SAMPLE_KEY)
    if table is None:
        return _Rescored(["has outputs and no scores"], 0, 0.0)
    with strangers("samples('evaluation')"):
        known = {sample.id: sample for sample in task.samples("evaluation")}
    beside = None
    if cell.reference_cell is not None and cell.reference_cell != cell.id:
        beside = KeptOutputs(path / "cells" / cell.reference_cell / "outputs")
    findings = list(_other_samples(table, known))
    new: dict[str, Any] = {}
    for batch in _batches(table):
        outputs = kept.batch(batch.ids, batch.seed)
        if outputs is None:
            findings.append(f"not every output of batch {legible(batch.key)} was sent in")
            continue
        if strange := [name for name in batch.ids if name not in known]:
            findings.append(f"sample {legible(strange[0])!r} is none of task {cell.identity.task}")
            continue
        if type(task).keep is Task.keep:
            said = table["output_sha256"].take(batch.rows).to_pylist()
            changed = [name for name, sha, output in zip(batch.ids, said, outputs) if digest(output) != sha]
            findings += [f"the output of sample {legible(name)!r} is not the one that was scored" for name in changed]
        theirs = None if beside is None else beside.batch(batch.ids, batch.seed)
        samples: Sequence[Sample] = [known[name] for name in batch.ids]
        with strangers("score"):
            _put(new, task.score(outputs, samples, theirs), batch.rows, table.num_rows)
    named = scores_of(table)
    findings += [f"{legible(name)}: the task gives no such score" for name in named.scalars if new and name not in new]
    moved, worst = [], 0.0
    for name, said, found in _columns(named, new):
        sentence, difference = moved_scores(name, said, found)
        worst = max(worst, difference)
        moved += [sentence] if sentence else []
    return _Rescored([*findings, *moved], table.num_rows, worst)


def _other_samples(table: pa.Table, known: Mapping[str, Sample]) -> Iterator[str]:
    """Yield sentences on samples whose group or slices, which intervals and slices are made of, are not the task's."""
    slices = scores_of(table.drop_columns([n for n in table.column_names if n.startswith((ARRAY, SHAPE))])).slices
    for row, (name, group) in enumerate(zip(table["sample_id"].to_pylist(), groups_of(table))):
        sample = known.get(name)
        if sample is None:
            continue
        said = {attribute: values[row] for attribute, values in slices.items() if values[row]}
        if group != sample.unit or said != {key: value for key, value in sample.slices.items() if value}:
            yield f"sample {legible(name)!r} is of another group or slice in the task"


def _batches(table: pa.Table) -> Iterator[_Batch]:
    """Yield the batches in which samples ran: a judge sees them together again."""
    seeds, ids, keys = (table[name].to_pylist() for name in (*SAMPLE_KEY, "batch"))
    found: dict[tuple[str, int], list[int]] = {}
    for row, place in enumerate(zip(keys, seeds)):
        found.setdefault(place, []).append(row)
    for (key, seed), rows in found.items():
        yield _Batch(key, seed, rows, [ids[row] for row in rows])


def _put(into: dict[str, Any], scores: Scores, rows: Sequence[int], count: int) -> None:
    for name, values in scores.scalars.items():
        into.setdefault(name, np.full(count, np.nan))[list(rows)] = values
    for name, arrays in scores.arrays.items():
        column = into.setdefault(f"array {name}", [None] * count)
        for row, array in zip(rows, arrays):
            column[row] = np.asarray(array, np.float64)


def _columns(said: Scores, found: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, scores [n] in the table, scores [n] found); of an array each row is its deviation from what was found."""
    for name, values in said.scalars.items():
        if name in found:
            yield name, np.asarray(values, np.float64), found[name]
    for name, arrays in said.arrays.items():
        column = found.get(f"array {name}")
        if column is not None:
            rows = [(np.asarray(a, np.float64), b) for a, b in zip(arrays, column) if b is not None]
            sizes = np.array([np.linalg.norm(b) for _, b in rows])
            apart = [np.linalg.norm(a - b) if a.shape == b.shape else np.inf for a, b in rows]
            yield name, sizes + np.array(apart), sizes
