"""A store as score matrix: every cell with scores per sample is a method, named "task/method"."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from effbench.errors import BadInput, nearest
from effbench.parts import SCORE, named_in, read_parts, scores_of
from effbench.record import CellRecord
from effbench.store import SAMPLE_KEY, CellFolder, StoreView
from effbench.subset.matrix import ScoreMatrix, score_matrix


@dataclass(frozen=True)
class PoolScores:
    """Matrices, one per metric, how long a sample took on average in the cells they come from, and what those are."""

    matrices: tuple[ScoreMatrix, ...]
    seconds_per_sample: float
    source: str


def store_matrices(
    view: StoreView,
    metrics: Sequence[str],
    tasks: str = "*",
    missing: Literal["refuse", "drop-samples", "drop-methods"] = "refuse",
) -> PoolScores:
    """Return the matrices of a store's cells, a sample's score being the mean over the seeds.

    Families are the cells' systems (tasks where a task has none). Raises ``BadInput`` where a metric has no score per
    sample, no task matches, or cells ran on different samples (``missing`` says what then).
    """
    cells = [cell for cell in view.cells if tasks in (cell.task_id, "*") or fnmatch.fnmatchcase(cell.task_id, tasks)]
    cells = [cell for cell in cells if cell.status == "complete"]
    if not cells:
        raise BadInput(
            f"{view.path}: no finished cell of task {tasks!r}{nearest(tasks, {c.task_id for c in view.cells})}"
        )
    seconds: list[float] = []
    scores = {cell.id: _scores(view, cell, seconds) for cell in cells}
    known = sorted({name for per in scores.values() for name in per})
    samples = sorted({sample for per in scores.values() for column in per.values() for sample in column})
    matrices = []
    for metric in metrics:
        if metric not in known:
            raise BadInput(f"{view.path}: no score per sample of {metric!r}{nearest(metric, known)}")
        having = [cell for cell in cells if metric in scores[cell.id]]
        table = [[scores[cell.id][metric].get(sample, np.nan) for sample in samples] for cell in having]
        matrices.append(
            score_matrix(
                metric,
                table,
                [f"{cell.task_id}/{cell.method_id}" for cell in having],
                samples,
                families=[str(cell.identity.task_params.get("system", cell.task_id)) for cell in having],
                higher_is_better=_direction(having, metric),
                missing=missing,
            )
        )
    return PoolScores(tuple(matrices), float(np.mean(seconds)) if seconds else 0.0, f"suite {view.suite}")


def _scores(view: StoreView, cell: CellRecord, seconds: list[float]) -> Mapping[str, Mapping[str, float]]:
    """Return metric -> sample id -> mean score over the seeds; NaN scores are absent. Appends the seconds per sample."""
    folder = CellFolder(view.path / "cells" / cell.id)
    table = read_parts(folder.samples, SAMPLE_KEY, named=named_in(cell.files, "samples"))
    if table is None:
        return {}
    ids = table["sample_id"].to_pylist()
    if ids and {"batch", "batch_s"} <= set(table.column_names):
        batches = dict(zip(table["batch"].to_pylist(), table["batch_s"].to_pylist()))
        seconds.append(sum(batches.values()) / len(ids))
    found: dict[str, dict[str, float]] = {}
    for name, values in scores_of(table.select([n for n in table.column_names if n.startswith(SCORE)])).scalars.items():
        groups: dict[str, list[float]] = {}
        for sample, value in zip(ids, values):
            if np.isfinite(value):
                groups.setdefault(sample, []).append(float(value))
        if groups:
            found[name] = {sample: float(np.mean(group)) for sample, group in groups.items()}
    return found


def _direction(cells: Sequence[CellRecord], metric: str) -> bool:
    numbers = [number for cell in cells for number in cell.numbers if number.name == metric]
    return numbers[0].higher_is_better if numbers else True
