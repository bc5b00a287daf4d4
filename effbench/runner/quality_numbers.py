"""The quality numbers of a cell from its scores, each with an interval or with the reason why it is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from effbench.api import Metric, Scores, Task
from effbench.record import Number, Reason
from effbench.stats.bootstrap import Array, Interval, draws_of, intervals_of, wilson_interval


def quality_draws(
    task: Task, scores: Scores, ids: Sequence[str], resamples: int, own: Array | None = None
) -> dict[str, Array]:
    """Return metric -> its value on every bootstrap resample [resamples], NaN where it is undefined.

    ``own`` [n] are the weights of a weighted subset: a sample counts as often as it was drawn, times its weight.
    """
    scale: Array | float = 1.0 if own is None else own
    return draws_of(lambda weights: task.summarise(scores, weights * scale), ids, resamples)


def quality_numbers(
    task: Task,
    metrics: Sequence[Metric],
    scores: Scores | None,
    ids: Sequence[str],
    draws: Mapping[str, Array],
    missing: Reason | None,
    level: float,
    own: Array | None = None,
) -> list[Number]:
    """Return one number per metric; ``scores`` is None where the cell has none, for the reason ``missing``.

    ``own`` [n] are the weights of a weighted subset, of mean 1.
    """
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    if scores is not None:
        values = task.summarise(scores, np.ones(len(ids)) if own is None else own)
        of_sets = {
            metric.name: values[metric.name] for metric in metrics if metric.per == "set" and metric.name in values
        }
        bounds = {metric.name: metric.range for metric in metrics}
        intervals = intervals_of(draws, level, of_sets, clusters=len(set(ids)), bounds=bounds)
    numbers = []
    for metric in metrics:
        value = values.get(metric.name)
        if task.random_weights or value is None or not np.isfinite(value):
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
