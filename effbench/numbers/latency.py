"""The latency numbers of a cell from its raw timings, with the ratio to the reference in the rounds that both share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from effbench.catalogue import CATALOGUE, LATENCY
from effbench.numbers.parts import Timed
from effbench.record import Number, Reason
from effbench.stats.bootstrap import Interval
from effbench.stats.hierarchical import hierarchical_ratio_interval
from effbench.stats.items import item_ratio
from effbench.stats.order import LEAST_SAMPLES, clustered_quantile_interval, percentile, quantile_interval
from effbench.stats.ratio import LEAST_ROUNDS
from effbench.timings import Timings, log_ratios

CROSSCHECK_ROUNDS, CROSSCHECK_RESAMPLES = 20, 2000
"""From 20 rounds up the bootstrap is sound (docs/methodology.md); 2000 resamples leave 50 beyond each end at 95 %."""
MOST_APART = 1.5
"""Of 20 rounds the two widths differ by a tenth or so; half as much again means that a few rounds make the interval."""


def latency_numbers(
    inputs: Sequence[Timed], batch_sizes: Sequence[int], missing: Reason | None, level: float, is_reference: bool
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


def _no_latency(suffix: str, primary: bool, reason: Reason) -> list[Number]:
    return [
        Number(
            name=entry.name + suffix,
            axis="latency",
            unit=entry.unit,
            value=None,
            higher_is_better=entry.higher_is_better,
            primary=primary and entry.name == "latency_p50_ms",
            reason=reason,
        )
        for entry in LATENCY
    ]


def _latency(found: Timed, suffix: str, primary: bool, level: float, is_reference: bool) -> list[Number]:
    flags = found.ours.flags + found.extra_flags
    walls = [ns / 1e6 for rows in found.ours.steady.values() for ns in rows]
    n = len(walls)

    def number(name: str, **more: Any) -> Number:
        entry = CATALOGUE[name]
        given: dict[str, Any] = {"n": n, "flags": flags, **more}
        return Number(
            name=name + suffix, axis=entry.axis, unit=entry.unit, higher_is_better=entry.higher_is_better, **given
        )

    numbers, median = [], percentile(walls, 50)
    for percent in LEAST_SAMPLES:
        name = f"latency_p{percent}_ms"
        if n < LEAST_SAMPLES[percent]:
            numbers.append(number(name, value=None, reason="too_few_samples"))
            continue
        bounds, how = _quantile_bounds(found.ours, percent, level)
        low, high = bounds or (None, None)
        value = percentile(walls, percent)
        is_primary = primary and percent == 50
        numbers.append(number(name, value=value, ci_low=low, ci_high=high, ci_method=how, primary=is_primary))
    low, high, how = numbers[0].ci_low, numbers[0].ci_high, numbers[0].ci_method
    numbers.append(_speedup(found, number, level, is_reference))
    scale = found.batch_size * 1e3
    numbers.append(
        number(
            "throughput_per_s",
            value=scale / median,
            ci_low=scale / high if high else None,
            ci_high=scale / low if low else None,
            ci_method=how,
        )
    )
    first, load = found.ours.first, found.ours.load_s
    numbers.append(number("first_call_ms", value=float(np.median(first)) / 1e6, n=len(first)))
    numbers.append(number("load_s", value=float(np.median(load)), n=len(load)))
    return numbers


def _quantile_bounds(ours: Timings, percent: int, level: float) -> tuple[Interval | None, str]:
    """Return the interval of a quantile: widened by the spread between rounds where there are enough of them.

    Rounds that differ too much for it leave the quantile without one: that of independent calls would be too narrow.
    """
    rounds = [[ns / 1e6 for ns in walls] for walls in ours.steady.values()]
    if len(rounds) >= LEAST_ROUNDS:
        clustered = clustered_quantile_interval(rounds, percent, level)
        return clustered, "clustered_order_statistic" if clustered else ""
    plain = quantile_interval([ms for walls in rounds for ms in walls], percent, level)
    return plain, "order_statistic" if plain else ""


def _speedup(found: Timed, number: Callable[..., Number], level: float, is_reference: bool) -> Number:
    if is_reference:
        return number("speedup", value=1.0, n=len(found.ours.steady), ci_method="definition")
    rounds = sorted(set(found.ours.steady) & set(found.reference.steady)) if found.reference else []
    if not found.reference or not rounds:
        return number("speedup", value=None, n=0, reason="no_reference")
    logs = log_ratios(found.reference, found.ours, rounds)
    ratio = item_ratio(logs, level)
    low, high = ratio.interval or (None, None)
    how = (
        ("t_log_ratio_of_rounds" if logs.shape[1] == 1 else "t_log_ratio_of_rounds_and_items") if ratio.interval else ""
    )
    flags = found.ours.flags + found.extra_flags + _crosscheck(found, rounds, level, ratio.interval)
    return number("speedup", value=ratio.value, n=ratio.rounds, ci_low=low, ci_high=high, ci_method=how, flags=flags)


def _crosscheck(found: Timed, rounds: Sequence[str], level: float, printed: Interval | None) -> tuple[str, ...]:
    """Return the flag that the hierarchical bootstrap says something else than the printed interval.

    It does where only one of the two excludes a ratio of 1, or where one is over ``MOST_APART`` times as wide as the other.
    The bootstrap is only sound from 20 rounds up.
    """
    if len(rounds) < CROSSCHECK_ROUNDS or found.reference is None or printed is None:
        return ()
    pairs = [(found.reference.steady[name], found.ours.steady[name]) for name in rounds]
    theirs, ours = ([list(map(float, pair[side])) for pair in pairs] for side in (0, 1))
    other = hierarchical_ratio_interval(theirs, ours, level, CROSSCHECK_RESAMPLES, seed=0)
    return () if other is None or agree(printed, other) else ("crosscheck_differs",)


def agree(a: Interval, b: Interval) -> bool:
    """Return whether two intervals of a positive ratio decide alike on 1 and are about as wide on the log scale."""
    decide = [not interval.low <= 1 <= interval.high for interval in (a, b)]
    widths = [math.log(interval.high / interval.low) for interval in (a, b)]
    return decide[0] == decide[1] and max(widths) <= MOST_APART * min(widths)
