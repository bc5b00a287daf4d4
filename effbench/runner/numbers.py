"""From the parts of a cell to its numbers, each with an interval or with the reason why it is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from effbench.api import Metric, Scores, Task
from effbench.record import Number, Reason
from effbench.stats.bootstrap import Interval, percentile_intervals, wilson_interval
from effbench.stats.order import LEAST_SAMPLES, percentile, quantile_interval
from effbench.stats.ratio import geometric_mean_ratio
from effbench.timings import Timings

MB = 1e6


def quality_numbers(
    task: Task,
    metrics: Sequence[Metric],
    scores: Scores | None,
    ids: Sequence[str],
    missing: Reason | None,
    level: float,
    resamples: int,
) -> list[Number]:
    """Return one number per metric; ``scores`` is None where the cell has none, for the reason ``missing``."""
    values: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    if scores is not None:
        values = task.summarise(scores, np.ones(len(ids)))
        of_sets = {
            metric.name: values[metric.name] for metric in metrics if metric.per == "set" and metric.name in values
        }
        intervals = percentile_intervals(lambda w: task.summarise(scores, w), ids, resamples, level, of_sets)
    numbers = []
    for metric in metrics:
        value = values.get(metric.name)
        if value is None or not np.isfinite(value):
            reason: Reason = missing or ("no_reference" if metric.needs_reference else "unsupported")
            numbers.append(_quality(metric, None, reason=reason))
            continue
        assert scores is not None
        interval = intervals.get(metric.name)
        how = "bootstrap_centred" if metric.per == "set" else "bootstrap_percentile"
        plain = scores.scalars.get(metric.name)
        if metric.unit == "share" and plain is not None and np.isin(plain, (0, 1)).all() and len(set(ids)) == len(ids):
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


@dataclass(frozen=True)
class LatencyInput:
    """Timings of a cell and of the reference in the rounds they share, for one batch size."""

    batch_size: int
    ours: Timings
    reference: Timings | None
    extra_flags: tuple[str, ...] = field(default=())


def latency_numbers(
    inputs: Sequence[LatencyInput], batch_sizes: Sequence[int], missing: Reason | None, level: float, is_reference: bool
) -> list[Number]:
    """Return the latency numbers of every batch size; names beyond the first carry ``@b<size>``."""
    by_size = {i.batch_size: i for i in inputs}
    numbers: list[Number] = []
    for position, size in enumerate(batch_sizes):
        suffix = f"@b{size}" if position else ""
        found = by_size.get(size)
        if found is None or not found.ours.steady:
            numbers += _no_latency(suffix, position == 0, missing or "error")
        else:
            numbers += _latency(found, suffix, position == 0, level, is_reference)
    return numbers


LATENCY_NAMES = (
    ("latency_p50_ms", "ms", False),
    ("latency_p90_ms", "ms", False),
    ("speedup", "x", True),
    ("throughput_per_s", "1/s", True),
    ("first_call_ms", "ms", False),
    ("load_s", "s", False),
)


def _no_latency(suffix: str, primary: bool, reason: Reason) -> list[Number]:
    return [
        Number(
            name=name + suffix,
            axis="latency",
            unit=unit,
            value=None,
            higher_is_better=higher,
            primary=primary and name == "latency_p50_ms",
            reason=reason,
        )
        for name, unit, higher in LATENCY_NAMES
    ]


def _latency(found: LatencyInput, suffix: str, primary: bool, level: float, is_reference: bool) -> list[Number]:
    flags = found.ours.flags + found.extra_flags
    walls = [ns / 1e6 for rows in found.ours.steady.values() for ns in rows]
    n = len(walls)

    def number(name: str, **more: Any) -> Number:
        unit, higher = next((u, h) for known, u, h in LATENCY_NAMES if known == name)
        return Number(
            name=name + suffix, axis="latency", unit=unit, higher_is_better=higher, **{"n": n, "flags": flags, **more}
        )

    p50 = percentile(walls, 50)
    bounds = quantile_interval(walls, 50, level)
    low, high = bounds or (None, None)
    how = "order_statistic" if bounds else ""
    numbers = [number("latency_p50_ms", value=p50, ci_low=low, ci_high=high, ci_method=how, primary=primary)]
    if n < LEAST_SAMPLES[90]:
        numbers.append(number("latency_p90_ms", value=None, reason="too_few_samples"))
    else:
        numbers.append(number("latency_p90_ms", value=percentile(walls, 90)))
    numbers.append(_speedup(found, number, level, is_reference))
    scale = found.batch_size * 1e3
    numbers.append(
        number(
            "throughput_per_s",
            value=scale / p50,
            ci_low=scale / high if high else None,
            ci_high=scale / low if low else None,
            ci_method=how,
        )
    )
    first, load = found.ours.first, found.ours.load_s
    numbers.append(number("first_call_ms", value=float(np.median(first)) / 1e6, n=len(first)))
    numbers.append(number("load_s", value=float(np.median(load)), n=len(load)))
    return numbers


def _speedup(found: LatencyInput, number: Callable[..., Number], level: float, is_reference: bool) -> Number:
    if is_reference:
        return number("speedup", value=1.0, n=len(found.ours.steady), ci_method="definition")
    rounds = sorted(set(found.ours.steady) & set(found.reference.steady)) if found.reference else []
    if not found.reference or not rounds:
        return number("speedup", value=None, n=0, reason="no_reference")
    theirs = [float(np.median(found.reference.steady[r])) for r in rounds]
    ours = [float(np.median(found.ours.steady[r])) for r in rounds]
    ratio = geometric_mean_ratio(theirs, ours, level)
    low, high = ratio.interval or (None, None)
    how = "t_log_ratio_of_rounds" if ratio.interval else ""
    return number("speedup", value=ratio.value, n=ratio.rounds, ci_low=low, ci_high=high, ci_method=how)


def memory_numbers(use: Mapping[str, Any] | None, missing: Reason | None, device: str) -> list[Number]:
    """Return peak and parameter memory in MB (1e6 bytes); the primary one is the device's where there is a device."""
    on_device = device != "cpu"
    fields = [
        ("peak_rss_growth_mb", "peak_rss_growth", not on_device),
        ("peak_rss_mb", "peak_rss", False),
        ("parameter_mb", "parameter_bytes", False),
    ]
    if on_device:
        fields += [("peak_allocated_mb", "device_allocated", True), ("peak_reserved_mb", "device_reserved", False)]
    numbers = []
    for name, key, primary in fields:
        size = use[key] if use else None
        flags = ("peak_includes_load",) if use and not use["hwm_reset"] and name.startswith("peak_rss") else ()
        numbers.append(
            Number(
                name=name,
                axis="memory",
                unit="MB",
                value=None if size is None else size / MB,
                n=0 if size is None else 1,
                higher_is_better=False,
                primary=primary,
                reason=None if size is not None else (missing or "unsupported"),
                flags=flags,
            )
        )
    return numbers


def single_number(
    name: str, axis: Any, unit: str, value: float | None, missing: Reason | None, primary: bool = True
) -> Number:
    """Return a number that was measured once, without an interval; lower is better."""
    return Number(
        name=name,
        axis=axis,
        unit=unit,
        value=value,
        n=0 if value is None else 1,
        higher_is_better=False,
        primary=primary,
        reason=missing if value is None else None,
    )
