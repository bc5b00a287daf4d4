"""The summary of a cell: what its task makes of the scores, on all rows that count and on every resample of them.

It runs in a worker of its own: what a plugin does to its process there costs this cell alone.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from types import MappingProxyType
from typing import Any

import numpy as np

from effbench.api import PluginError, Scores, Task
from effbench.arrays import Array
from effbench.contract.remarks import remark_problems
from effbench.contract.scores import mean_problems, summary_problems
from effbench.numbers.parts import Rows, rows_of, scored_against
from effbench.replicates import Replicates, cluster_hash, write_replicates
from effbench.runner.building import keep_promise
from effbench.runner.jobs import Done, JobSpec
from effbench.stats.resampled import Resampled, resample
from effbench.store import CellFolder


def summary(spec: JobSpec, connection: Connection) -> Done:
    """Return the summary of the rows that count and the task's remarks; write the replicates."""
    folder = CellFolder(spec.cell_path)
    seeds = tuple(sorted({seed for seed, _ in spec.rows}))
    rows = rows_of(folder, seeds, tuple(sorted({sample for _, sample in spec.rows})))
    if rows is None:
        raise PluginError("a row that is to be summarised is not in the store")
    weights = np.ones(len(rows.ids)) if spec.weights is None else np.array([spec.weights[name] for name in rows.ids])
    has_reference = bool(spec.reference_cell) and scored_against(folder) == {spec.reference_cell}
    values = summary_of(spec.task, rows.scores, weights, with_reference=has_reference)
    several = [seed for seed in spec.trainings if seed is not None]
    trainings = list(rows.seeds) if len(several) > 1 else None
    found = replicates_of(spec.task, rows, spec.resamples, None if spec.weights is None else weights, trainings)
    if found:
        write_replicates(folder, Replicates.of(found, cluster_hash(rows.ids, seeds, rows.groups)))
    return Done({"summary": {"values": values, "remarks": remarks_of(spec.task, rows.scores)}})


def replicates_of(
    task: Task, rows: Rows, resamples: int, weights: Array | None = None, trainings: list[int] | None = None
) -> dict[str, Resampled]:
    """Return metric key -> its value on every resample of the groups, and without each training where there are several.

    ``weights`` [n] are those of a weighted subset: a sample counts as often as it was taken, times its weight.
    """
    summarise = task.summariser(locked(rows.scores))
    scale: Array | float = 1.0 if weights is None else weights
    return resample(lambda taken: summarise(taken * scale), rows.groups, resamples, trainings=trainings)


def summary_of(task: Task, scores: Scores, weights: Array, *, with_reference: bool) -> dict[str, float]:
    """Return the task's summary; raise ``PluginError`` where it is not what the contract says.

    The scores are locked first: a summary that changed them would change every later one.
    """
    weights = weights.copy()
    weights.flags.writeable = False
    summarise: Callable[[Array], Any] = task.summariser(locked(scores))
    if not callable(summarise):
        raise PluginError(
            f"summariser(scores) returned {type(summarise).__name__}; return what maps weights to a dict of metrics"
        )
    found = summarise(weights)
    keep_promise(
        summary_problems(task.metrics, found, with_reference=with_reference, random_weights=task.random_weights)
    )
    if not task.random_weights:
        keep_promise(mean_problems(task.metrics, scores, weights, found))
    return {name: float(value) for name, value in found.items()}


def locked(scores: Scores) -> Scores:
    """Return the same scores, of which nothing can be changed."""
    arrays = (*scores.scalars.values(), *(array for arrays in scores.arrays.values() for array in arrays))
    for array in (*arrays, *scores.thresholds.values()):
        array.flags.writeable = False
    return Scores(
        MappingProxyType(dict(scores.scalars)),
        MappingProxyType({name: tuple(found) for name, found in scores.arrays.items()}),
        MappingProxyType(dict(scores.thresholds)),
        MappingProxyType({name: tuple(found) for name, found in scores.slices.items()}),
    )


def remarks_of(task: Task, scores: Scores) -> dict[str, list[str]]:
    """Return metric key -> what the task says beside its value; raise ``PluginError`` where that is no such thing."""
    said = task.remarks(scores)
    keep_promise(remark_problems(task.metrics, said))
    return {name: list(sentences) for name, sentences in said.items()}
