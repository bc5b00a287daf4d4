"""The summary of a cell and its resamples, made again from scores: the step between a table of samples and a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from effbench.api import Metric, Scores, Summariser, Task, weighted_means
from effbench.arrays import Array
from effbench.contract.scores import RTOL
from effbench.guard import strangers
from effbench.numbers.parts import Rows, rows_of
from effbench.replicates import Replicates, cluster_hash, read_replicates
from effbench.setting import Setting
from effbench.stats.resampled import Resampled, resample
from effbench.store import CellFolder
from effbench.submission.moves import ROUNDING, SPREAD, moved_scores

RESAMPLED = "values on resamples"
"""What a reader calls the rows of the replicates."""


class _Kept(NamedTuple):
    """What a cell keeps of its summary, and the rows that it is of."""

    rows: Rows
    values: Mapping[str, float]
    remarks: Mapping[str, tuple[str, ...]]
    replicates: Replicates | None
    weights: Array


def plain_sentences(folder: CellFolder, setting: Setting) -> Iterator[str]:
    """Yield a sentence for every mean over samples, and every resample of one, that does not follow from the scores.

    What a task makes of its scores in another way (a distance of sets, a mean over what is defined) it has to say itself.
    Raises ``StoreError`` where a part is damaged.
    """
    kept = _kept(folder, setting)
    if kept is None or setting.declared.random_weights:
        return
    metrics = [declared.metric for declared in setting.declared.metrics]
    plain = [metric for metric in metrics if _is_plain(metric, kept.rows.scores) and metric.key in kept.values]
    summarise = weighted_means(plain, kept.rows.scores)
    names = {metric.key: metric.name for metric in plain}
    for key, mean in summarise(kept.weights).items():
        largest = float(np.abs(kept.rows.scores.scalars[names[key]]).max())
        if not abs(kept.values[key] - mean) <= RTOL * largest:
            yield f"{key}: its summary says {kept.values[key]:.6g}, and the mean of its scores is {mean:.6g}"
    yield from _resample_sentences(kept, setting, _resampled(kept, setting, summarise))


def task_sentences(folder: CellFolder, setting: Setting, task: Task) -> Iterator[str]:
    """Yield a sentence for everything in a summary that the task does not make of the scores: values, remarks, resamples.

    Raises ``StoreError`` where a part is damaged, and ``PluginFailure`` where the task fails.
    """
    kept = _kept(folder, setting)
    if kept is None:
        return
    with strangers("summariser(scores)"):
        summarise = task.summariser(kept.rows.scores)
        values, found = summarise(kept.weights), _resampled(kept, setting, summarise)
    with strangers("remarks(scores)"):
        told = {name: tuple(sentences) for name, sentences in task.remarks(kept.rows.scores).items()}
    for name in dict.fromkeys((*kept.values, *values)):
        said, value = kept.values.get(name), values.get(name)
        if said is None or value is None:
            whose = (
                "the task makes no such number" if value is None else "the task makes this number and it is not there"
            )
            yield f"{name}: {whose}"
        elif not abs(said - value) <= _tolerance(value, found.get(name)):
            yield f"{name}: its summary says {said:.6g}, the task makes {value:.6g} of the scores"
    if other := [name for name in {**told, **kept.remarks} if told.get(name, ()) != tuple(kept.remarks.get(name, ()))]:
        yield f"{other[0]}: the task says something else beside it"
    yield from _resample_sentences(kept, setting, found)


def _kept(folder: CellFolder, setting: Setting) -> _Kept | None:
    job = folder.job("summary")
    rows = rows_of(folder, setting.asked.seeds, setting.samples)
    if job is None or job.data.summary is None or rows is None:
        return None
    chosen = setting.weights
    weights = np.ones(len(rows.ids)) if chosen is None else np.array([chosen[name] for name in rows.ids])
    return _Kept(rows, job.data.summary.values, job.data.summary.remarks, read_replicates(folder), weights)


def _is_plain(metric: Metric, scores: Scores) -> bool:
    """Return whether a metric is the mean of scores that are all defined, by which the contract binds its task."""
    found = scores.scalars.get(metric.name)
    return metric.per == "sample" and found is not None and not np.isnan(found).any()


def _resampled(kept: _Kept, setting: Setting, summarise: Summariser) -> dict[str, Resampled]:
    several = len(setting.declared.trainings) > 1
    scale: Array | float = 1.0 if setting.weights is None else kept.weights
    return resample(
        lambda taken: summarise(taken * scale),
        kept.rows.groups,
        setting.asked.resamples,
        trainings=list(kept.rows.seeds) if several else None,
    )


def _resample_sentences(kept: _Kept, setting: Setting, found: Mapping[str, Resampled]) -> Iterator[str]:
    if not found:
        return
    said = kept.replicates
    if said is None:
        yield "its resamples, from which intervals are made, are not there"
        return
    if said.clusters != cluster_hash(kept.rows.ids, sorted(set(kept.rows.seeds)), kept.rows.groups):
        yield "its resamples are of other samples"
        return
    for name, made in found.items():
        nothing = np.zeros(0)
        pairs = [
            (said.values.get(name, nothing), made.replicates),
            (said.left_out.get(name, nothing), made.left_out),
            (said.crossed.get(name, nothing).ravel(), made.crossed.ravel()),
        ]
        if any(len(ours) != len(theirs) for ours, theirs in pairs):
            yield f"{name}: its resamples are not {setting.asked.resamples}"
            continue
        yield from filter(None, (moved_scores(name, *pair, RESAMPLED)[0] for pair in pairs))


def _tolerance(value: float, found: Resampled | None) -> float:
    """Return by how much a summary may differ: rounding, or a hundredth of its spread over resamples."""
    known = found.replicates[np.isfinite(found.replicates)] if found is not None else np.zeros(0)
    spread = float(known.std()) if len(known) else 0.0
    return max(ROUNDING * abs(value), SPREAD * spread)
