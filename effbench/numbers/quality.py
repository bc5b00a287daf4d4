"""The quality numbers of a cell from its summary and scores, each with an interval or with the reason why it is missing.

Intervals resample whole groups and, where each seed was prepared by itself, trainings too: they are about the method, not
about one training of it. Of one training nothing can be said about others, and the number says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from effbench.api import Metric
from effbench.arrays import Array
from effbench.numbers.parts import Rows
from effbench.record import Number, Reason
from effbench.replicates import Replicates
from effbench.setting import Setting
from effbench.stats.bootstrap import Interval
from effbench.stats.resampled import resampled_interval
from effbench.stats.shares import share_interval
from effbench.storeschema import Summarised

ONE_TRAINING = "one_training"
"""Flag of a number whose method trains at random and was trained once."""


def quality_numbers(
    setting: Setting,
    rows: Rows | None,
    summary: Summarised | None,
    replicates: Replicates | None,
    missing: Reason | None,
) -> list[Number]:
    """Return one number per metric that the suite asks for; ``missing`` is why there is none, where there is none."""
    metrics = [declared.metric for declared in setting.declared.metrics]
    numbers = []
    for metric in metrics:
        value = summary.values.get(metric.key) if summary is not None else None
        if rows is None or value is None or setting.declared.random_weights:
            numbers.append(_number(metric, None, reason=missing or _why_none(metric, setting)))
            continue
        if metric.per == "set" and len(setting.samples) < setting.pool:
            # Of a whole set, and the set is a part: its size would decide its value.
            numbers.append(_number(metric, None, reason="too_few_samples"))
            continue
        numbers.append(_with_interval(metric, value, setting, rows, replicates))
    return numbers


def _why_none(metric: Metric, setting: Setting) -> Reason:
    if setting.declared.random_weights:
        return "random_weights"
    return "no_reference" if metric.needs_reference else metric.undefined or "unsupported"


def _with_interval(metric: Metric, value: float, setting: Setting, rows: Rows, replicates: Replicates | None) -> Number:
    """Return a number with its interval: Wilson's of a plain share, else that of the replicates."""
    within = rows.scores.within(metric)
    count = int(within.sum())
    trainings = len(setting.declared.trainings)
    flags = (ONE_TRAINING,) if trainings == 1 else ()
    groups = {group for group, inside in zip(rows.groups, within) if inside}
    scores = rows.scores.scalars.get(metric.name) if metric.per == "sample" else None
    counted = None if scores is None else scores[within]
    is_grouped = len(groups) < len({name for name, inside in zip(rows.ids, within) if inside})
    n, units = (len(groups), "groups") if is_grouped else (count, "")
    if (
        metric.unit == "share"
        and counted is not None
        and len(counted)
        and np.isin(counted, (0, 1)).all()
        and not setting.weights
    ):
        interval, how = _share(counted, rows, within, setting)
        if interval is not None:
            return replace(_number(metric, value, n, interval, how), flags=flags, units=units)
    found = replicates.of_metric(metric.key, value) if replicates is not None else None
    interval = None
    if found is not None:
        is_set = metric.per == "set"
        interval = resampled_interval(found, setting.asked.ci, clusters=len(groups), is_set=is_set, bounds=metric.range)
        if metric.unit == "share" and value in (0.0, 1.0) and interval == (value, value):
            interval = _unseen(value, len(groups), setting.asked.ci)
    number = _number(metric, value, n, interval, _how(metric, trainings) if interval else "")
    return replace(number, flags=flags, units=units)


def _share(counted: Array, rows: Rows, within: Array, setting: Setting) -> tuple[Interval | None, str]:
    """Return Wilson's interval of a plain share and how it was made: at the number of independent answers in it."""
    groups = [group for group, inside in zip(rows.groups, within) if inside]
    seeds = [seed for seed, inside in zip(rows.seeds, within) if inside]
    trainings = seeds if len(setting.declared.trainings) > 1 else None
    interval = share_interval(counted, setting.asked.ci, clusters=groups, trainings=trainings)
    if trainings is not None:
        return interval, "wilson_effective_and_trainings"
    return interval, "wilson" if len(set(groups)) == len(counted) else "wilson_effective"


def _unseen(value: float, groups: int, level: float) -> Interval:
    """Return the exact interval of a share of 0 or 1 in every one of some groups, of which no resample can say more."""
    reach = 1 - ((1 - level) / 2) ** (1 / groups)
    return Interval(0.0, reach) if value == 0 else Interval(1 - reach, 1.0)


def _how(metric: Metric, trainings: int) -> str:
    """Return the name of the way in which an interval was made."""
    plain = "bootstrap_percentile" if metric.per == "sample" else "bootstrap_centred"
    if metric.per == "set" and metric.range[0] == 0:
        plain = "bootstrap_centred_root"
    return f"{plain}_and_trainings" if trainings > 1 else plain


def remarked(number: Number, said: Mapping[str, Sequence[str]]) -> Number:
    """Return a number with what its task says beside it among its flags; reports print a flag as a footnote.

    A null number keeps it too: it says in words why there is none.
    """
    more = said.get(number.name, ()) if number.axis == "quality" else ()
    return replace(number, flags=(*number.flags, *more)) if more else number


def _number(
    metric: Metric,
    value: float | None,
    n: int = 0,
    interval: Interval | None = None,
    how: str = "",
    reason: Reason | None = None,
) -> Number:
    low, high = interval or (None, None)
    return Number(
        name=metric.key,
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
        slice=metric.slice,
    )
