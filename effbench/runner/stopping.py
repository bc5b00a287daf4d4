"""``stats: {stop: when_resolved}``: a method runs on more samples only until its difference to the reference is decided.

Samples come in an order drawn from their ids. At each look the confidence sequence (``stats.sequential``) of the paired
difference in one metric is read: the method is *within resolution* where it lies within +- ``resolution``, else worse or
better where it excludes 0. Its level is shared out among the methods of the task (Bonferroni). What a look sees follows from
the rows in the store alone, so an interrupted run goes on, and a repeated one decides, as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from effbench.api import Metric, Sample, Task
from effbench.arrays import Array
from effbench.errors import BadInput, nearest
from effbench.parts import SCORE, read_parts
from effbench.record import Stopping
from effbench.stats.bootstrap import Interval
from effbench.stats.sequential import EARLIEST, confidence_sequence
from effbench.store import SAMPLE_KEY, CellFolder, Store
from effbench.suite import Suite

if TYPE_CHECKING:
    from effbench.runner.cells import Cell, TaskPlan

GROWTH = 1.5
"""A look comes after that many times the samples of the one before: a few starts of a worker, a third too many samples."""


def looks_at(pool: int, group_size: int = 1) -> list[int]:
    """Return the numbers of samples after which there is a look, whole groups of equal size; the last is the whole pool."""
    found, groups = [], float(EARLIEST)
    while round(groups) * group_size < pool:
        found.append(round(groups) * group_size)
        groups *= GROWTH
    return [*found, pool]


def group_size(samples: Sequence[Sample]) -> int:
    """Return how many samples a group has, where all have as many; the plan refuses others."""
    return len(samples) // max(1, len({sample.unit for sample in samples}))


def metric_to_stop_on(task: Task, asked: str | None) -> Metric:
    """Return the metric that decides: the one asked for, else the primary one (else the first) with a score per sample.

    Raises ``BadInput`` where there is none, or the one asked for has no score per sample or is itself a distance to the
    reference.
    """
    able = [metric for metric in task.metrics if metric.per == "sample" and not metric.needs_reference]
    if asked is None:
        found = next((metric for metric in able if metric.primary), able[0] if able else None)
        if found is None:
            raise BadInput("it has no metric with a score per sample that could be resolved")
        return found
    for metric in able:
        if metric.name == asked:
            return metric
    known = [metric.name for metric in able]
    raise BadInput(f"no metric {asked!r} with a score per sample of its own{nearest(asked, known)}")


def samples_used(suite: Suite, task: TaskPlan, cell: Cell, store: Store) -> tuple[int, Stopping | None]:
    """Return how many of the task's samples the cell counts, and what was decided; all of them where nothing stops early.

    The reference counts as many as it has run, up to a look. A method counts those up to the look that decided; where none
    has yet, those it shares with the reference, which is fewer than the pool as long as the cell is not finished.
    """
    pool, reference = len(task.samples), task.reference
    if suite.stats.stop != "when_resolved" or reference is None:
        return pool, None
    done = _done(task, suite, store.cell(cell.id))
    reached = [n for n in looks_at(pool, group_size(task.samples)) if n <= done]
    if cell is reference:
        return (reached[-1] if reached else 0), None
    shared = [n for n in reached if n <= _done(task, suite, store.cell(reference.id))]
    metric = metric_to_stop_on(task.task, suite.stats.stop_on)
    differences = _differences(task, suite, store, cell, reference, metric.name, shared[-1]) if shared else np.empty(0)
    verdict = None
    size = group_size(task.samples)
    for n in shared:
        verdict = _look(suite, task, metric, differences[: n // size], n)
        if verdict.verdict != "undecided":
            return n, verdict
    return (shared[-1] if shared else 0), verdict


def _done(task: TaskPlan, suite: Suite, folder: CellFolder) -> int:
    """Return how many of the task's samples, from the first on, have a row under every seed."""
    table = read_parts(folder.samples, SAMPLE_KEY)
    if table is None:
        return 0
    rows = set(zip(table["seed"].to_pylist(), table["sample_id"].to_pylist()))
    for place, sample in enumerate(task.samples):
        if any((seed, sample.id) not in rows for seed in suite.seeds):
            return place
    return len(task.samples)


def _differences(task: TaskPlan, suite: Suite, store: Store, cell: Cell, reference: Cell, metric: str, n: int) -> Array:
    """Return method - reference of the groups of the first n samples, as means over samples and seeds; NaN if undefined."""
    ours, theirs = (_scores(store.cell(one.id), metric) for one in (cell, reference))
    groups: dict[str, list[tuple[int, str]]] = {}
    for sample in task.samples[:n]:
        groups.setdefault(sample.unit, []).extend((seed, sample.id) for seed in suite.seeds)
    return np.array([np.mean([ours[key] - theirs[key] for key in keys]) for keys in groups.values()])


def _scores(folder: CellFolder, metric: str) -> dict[tuple[int, str], float]:
    table = read_parts(folder.samples, SAMPLE_KEY, (SCORE + metric,))
    assert table is not None
    columns = [table[name].to_pylist() for name in (*SAMPLE_KEY, SCORE + metric)]
    return {(seed, sample): float("nan") if score is None else score for seed, sample, score in zip(*columns)}


def _look(suite: Suite, task: TaskPlan, metric: Metric, differences: Array, n: int) -> Stopping:
    known = differences[np.isfinite(differences)]
    level = 1 - (1 - suite.stats.ci) / task.comparisons
    bounds = Interval(-1.0, 1.0) if metric.unit == "share" else None
    interval = confidence_sequence(
        known, level, bounds=bounds, tightest_at=max(EARLIEST, len(task.samples) // group_size(task.samples) // 2)
    )
    verdict = "undecided"
    if interval is not None:
        least, most = metric.range
        interval = Interval(max(interval.low, least - most), min(interval.high, most - least))
        low, high = interval if metric.higher_is_better else (-interval.high, -interval.low)
        resolution = suite.stats.resolution
        if resolution is not None and -resolution <= low and high <= resolution:
            verdict = "within resolution"
        elif low > 0 or high < 0:
            verdict = "better" if low > 0 else "worse"
    return Stopping(
        metric=metric.name,
        verdict=verdict,
        n=n,
        pool=len(task.samples),
        value=float(known.mean()) if len(known) else None,
        ci_low=interval.low if interval else None,
        ci_high=interval.high if interval else None,
        level=suite.stats.ci,
        comparisons=task.comparisons,
        how="betting" if bounds else "asymptotic",
        resolution=suite.stats.resolution,
    )
