"""The quality numbers of a cell from its scores, each with an interval or with the reason why it is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from effbench.api import Metric, PluginError, Scores, Task
from effbench.contract.remarks import remark_problems
from effbench.contract.scores import mean_problems, summary_problems
from effbench.guard import strangers
from effbench.record import Number, Reason
from effbench.stats.bootstrap import Array, Interval, draws_of, intervals_of, wilson_interval


def quality_draws(
    task: Task, scores: Scores, ids: Sequence[str], resamples: int, own: Array | None = None
) -> dict[str, Array]:
    """Return metric -> its value on every bootstrap resample [resamples], NaN where it is undefined.

    ``own`` [n] are the weights of a weighted subset: a sample counts as often as it was drawn, times its weight.
    """
    scale: Array | float = 1.0 if own is None else own
    locked = _locked(scores)
    with strangers(_call(task)):
        return draws_of(lambda weights: task.summarise(locked, weights * scale), ids, resamples)


def summary_of(task: Task, scores: Scores, weights: Array, *, with_reference: bool) -> dict[str, float]:
    """Return the task's summary; raise ``PluginFailure`` where it fails or is not what the contract says.

    The scores are locked first: a summary that changed them would change every later one.
    """
    locked, weights = _locked(scores), weights.copy()
    weights.flags.writeable = False
    with strangers(_call(task)):
        summary = task.summarise(locked, weights)
        for problem in summary_problems(
            task.metrics, summary, with_reference=with_reference, random_weights=task.random_weights
        ):
            raise PluginError(f"{_call(task)}: {problem}")
        for problem in () if task.random_weights else mean_problems(task.metrics, scores, weights, summary):
            raise PluginError(f"{_call(task)}: {problem}")
        return {name: float(value) for name, value in summary.items()}


def _locked(scores: Scores) -> Scores:
    """Return the same scores, of which nothing can be changed."""
    for array in (*scores.scalars.values(), *(array for arrays in scores.arrays.values() for array in arrays)):
        array.flags.writeable = False
    arrays = {name: tuple(found) for name, found in scores.arrays.items()}
    return Scores(MappingProxyType(dict(scores.scalars)), MappingProxyType(arrays))


def remarks_of(task: Task, scores: Scores) -> dict[str, list[str]]:
    """Return metric name -> what the task says beside its value; raise ``PluginFailure`` where that is no such thing."""
    call = f"task {task.name!r}: remarks(scores)"
    with strangers(call):
        said = task.remarks(scores)
        for problem in remark_problems(task.metrics, said):
            raise PluginError(f"{call}: {problem}")
        return said


def remarked(number: Number, said: Mapping[str, Sequence[str]]) -> Number:
    """Return a number with what its task says beside it among its flags; reports print a flag as a footnote.

    A null number keeps it too: it says in words why there is none.
    """
    more = said.get(number.name, ()) if number.axis == "quality" else ()
    return replace(number, flags=(*number.flags, *more)) if more else number


def _call(task: Task) -> str:
    return f"task {task.name!r}: summarise(scores, weights)"


def quality_numbers(
    task: Task,
    metrics: Sequence[Metric],
    summary: Mapping[str, float],
    scores: Scores | None,
    ids: Sequence[str],
    draws: Mapping[str, Array],
    missing: Reason | None,
    level: float,
    own: Array | None = None,
) -> list[Number]:
    """Return one number per metric; ``scores`` is None where the cell has none, for the reason ``missing``.

    ``summary`` are the values over all samples, which keep the contract: one that is left out has a reason. ``own`` [n]
    are the weights of a weighted subset, of mean 1.
    """
    intervals: dict[str, Interval] = {}
    if scores is not None:
        of_sets = {m.name: summary[m.name] for m in metrics if m.per == "set" and m.name in summary}
        bounds = {metric.name: metric.range for metric in metrics}
        intervals = intervals_of(draws, level, of_sets, clusters=len(set(ids)), bounds=bounds)
    numbers = []
    for metric in metrics:
        value = summary.get(metric.name) if scores is not None else None
        if task.random_weights or value is None:
            untrained: Reason | None = "random_weights" if task.random_weights else None
            without: Reason = "no_reference" if metric.needs_reference else metric.undefined or "unsupported"
            reason: Reason = missing or untrained or without
            numbers.append(_quality(metric, None, reason=reason))
            continue
        assert scores is not None
        interval = intervals.get(metric.name)
        how = "bootstrap_percentile" if metric.per == "sample" else "bootstrap_centred"
        if metric.per == "set" and metric.range[0] == 0:
            how = "bootstrap_centred_root"
        plain = scores.scalars.get(metric.name)
        is_count = metric.unit == "share" and plain is not None and np.isin(plain, (0, 1)).all()
        if plain is not None and is_count and own is None and len(set(ids)) == len(ids):
            interval, how = wilson_interval(float(plain.sum()), len(plain), level), "wilson"
        low, high = interval or (None, None)
        numbers.append(_quality(metric, value, len(ids), low, high, how if interval else ""))
    return numbers


def _quality(
    metric: Metric,
    value: float | None,
    n: int = 0,
    low: float | None = None,
    high: float | None = None,
    how: str = "",
    reason: Reason | None = None,
) -> Number:
    return Number(
        name=metric.name,
        axis="quality",
        unit=metric.unit,
        value=value,
        n=n,
        ci_low=low,
        ci_high=high,
        ci_method=how,
        higher_is_better=metric.higher_is_better,
        primary=metric.primary,
        reason=reason,
    )
