"""Level ``rescore``: the outputs that were sent in, scored again by the task's own judge on the verifier's machine.

The task's code runs, which the verifier has installed; none of the method's does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from effbench.api import PluginError, Sample, Scores, Task
from effbench.digest import digest
from effbench.errors import BadInput, StoreError, one_line
from effbench.legible import legible
from effbench.parts import KeptOutputs, read_parts, scores_of
from effbench.record import CellRecord
from effbench.registry import tasks
from effbench.store import SAMPLE_KEY, CellFolder, read_store
from effbench.submission.checking import Finding, LevelOutcome
from effbench.submission.manifest import read_manifest

if TYPE_CHECKING:
    import pyarrow as pa

SPREAD = 0.01
"""Of the standard deviation over samples: how far a score may move when another processor rounds otherwise. Were all to
move so far to one side, a mean over a hundred samples would move by a tenth of its standard error."""
ROUNDING = 1e-5
"""Of the largest score, where scores hardly differ over samples: float32 is good to 1e-7, and judges sum thousands."""
FLIPPED = 0.01
"""Share of rows that may move further: where a judge decides between two classes, a last bit may decide."""


class _Batch(NamedTuple):
    key: str
    seed: int
    rows: list[int]
    ids: list[str]


def rescore(path: Path) -> LevelOutcome:
    """Return whether all scores follow from the outputs that were sent in, and these are the outputs that were scored."""
    manifest, view = read_manifest(path), read_store(path)
    findings: list[Finding] = []
    compared, worst, missing = 0, 0.0, []
    for cell in view.cells:
        where = f"{cell.task_id}/{cell.method_id}"
        try:
            found = _rescored(path, cell)
        except (StoreError, PluginError, BadInput, ValueError, KeyError, IndexError) as error:
            findings.append(Finding(where, legible(f"cannot be scored again: {one_line(error)}")))
            continue
        if found is None:  # of a reference it need not be there
            missing += [where] if cell.id in manifest.cells else []
            continue
        compared += found.rows
        worst = max(worst, found.difference)
        findings += [Finding(where, what) for what in found.findings]
    why = f"no outputs were sent in of {', '.join(missing)}" if missing else ""
    return LevelOutcome("rescore", tuple(findings), compared, worst, why)


class _Rescored(NamedTuple):
    """What came of a cell: sentences, rows that were scored again, and the largest move relative to the spread."""

    findings: list[str]
    rows: int
    difference: float


def _rescored(path: Path, cell: CellRecord) -> _Rescored | None:
    """Return what rescoring a cell finds, or None where no output of it was sent in."""
    folder = CellFolder(path / "cells" / cell.id)
    kept = KeptOutputs(folder.outputs)
    if not kept.captions:
        return None
    table = read_parts(folder.samples, SAMPLE_KEY)
    if table is None:
        return _Rescored(["has outputs and no scores"], 0, 0.0)
    plugin = tasks.get(cell.identity.task)
    task = plugin(plugin.Params(**cell.identity.task_params))
    known = {sample.id: sample for sample in task.samples("evaluation")}
    beside = None
    if cell.reference_cell is not None and cell.reference_cell != cell.id:
        beside = KeptOutputs(path / "cells" / cell.reference_cell / "outputs")
    findings: list[str] = []
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
        _put(new, task.score(outputs, samples, theirs), batch.rows, table.num_rows)
    named = scores_of(table)
    findings += [f"{legible(name)}: the task gives no such score" for name in named.scalars if new and name not in new]
    moved, worst = [], 0.0
    for name, said, found in _columns(named, new):
        sentence, difference = moved_scores(name, said, found)
        worst = max(worst, difference)
        moved += [sentence] if sentence else []
    return _Rescored([*findings, *moved], table.num_rows, worst)


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


def moved_scores(name: str, said: Any, found: Any) -> tuple[str, float]:
    """Return (a sentence where scores are not those that were found, else ""; the largest move relative to their spread)."""
    known = np.isfinite(said) | np.isfinite(found)
    both = np.isfinite(said) & np.isfinite(found)
    if not known.any():
        return "", 0.0
    spread = float(np.std(found[both])) if both.any() else 0.0
    largest = float(np.abs(found[both]).max()) if both.any() else 0.0
    apart = np.where(both, np.abs(said - found), np.inf)[known]
    beyond = int((apart > max(SPREAD * spread, ROUNDING * largest)).sum())
    seen = apart[np.isfinite(apart)]
    worst = float(seen.max() / spread) if len(seen) and spread else 0.0
    if beyond > FLIPPED * int(known.sum()):
        row = int(np.argmax(apart))
        place = np.flatnonzero(known)[row]
        return (
            f"{name}: {beyond} of {int(known.sum())} scores differ, one is {said[place]:.6g} and scores {found[place]:.6g}",
            worst,
        )
    return "", worst
