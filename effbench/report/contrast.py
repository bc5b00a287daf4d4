"""Two methods in one quality metric: in pairs of samples where a sample has a score, in pairs of resamples otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from effbench.counted import counted
from effbench.raw import RawCell
from effbench.record import Number
from effbench.report.caption import units_of
from effbench.report.pairs import SamplePairs, pairs_of
from effbench.stats.bootstrap import Interval, least_clusters
from effbench.stats.paired import paired_difference, samples_needed
from effbench.stats.resampled import combined, resampled_interval, resampled_p

SEQUENCE = "confidence sequence"
"""How a difference was decided on which sampling stopped (``record.Stopping``)."""

FLAT = 1e-12
"""Share of a metric below which its resamples differ by rounding alone: a few thousand units of the last place."""


class Difference(NamedTuple):
    """Quality of a - quality of b; ``effect`` is d_z, ``n`` counts ``units``: samples or groups, all seeds of one together.

    ``trainings`` is over how many the difference was resampled, 0 where none or one was. ``how`` is ``paired samples``,
    ``paired resamples``, or ``confidence sequence`` where sampling stopped on the metric. Where there is no value, or not all
    that comes with it, ``reason`` says why. ``needed`` maps a level to the units that would find the difference there.
    """

    value: float | None
    interval: Interval | None = None
    p: float | None = None
    effect: float | None = None
    n: int = 0
    how: str = ""
    reason: str = ""
    units: str = "samples"
    trainings: int = 0
    needed: Callable[[float], int | None] | None = None


def quality_difference(a: RawCell, b: RawCell, on_a: Number, on_b: Number, level: float) -> Difference:
    """Return the difference in a metric that both cells have, given their numbers of it."""
    decided = _stopped(a, b, on_a.name) or _stopped(b, a, on_a.name, sign=-1)
    found = decided or _compared(a, b, on_a, on_b, level)
    once = [raw.record.method_id for raw in (a, b) if len(raw.record.trainings) == 1]
    if once and found.value is not None:
        only = f"{' and '.join(once)} trained once: this holds for this one training"
        found = found._replace(reason="; ".join(filter(None, (found.reason, only))))
    return found


def _compared(a: RawCell, b: RawCell, on_a: Number, on_b: Number, level: float) -> Difference:
    # A weighted subset is compared by its resamples, which hold the weights.
    is_plain = not (a.is_of_set(on_a) or a.record.has_weights or b.record.has_weights)
    pairs = pairs_of(a, b, on_a) if is_plain else None
    try:
        if pairs is not None:
            return _of_samples(pairs, a, b, level, pairs.of_a if on_a.slice else _planned(a, b))
        return _of_resamples(a, b, on_a, on_b, level)
    except ValueError as error:  # rows of a store that agree with no plan: a training that lacks a group
        return Difference(None, reason=str(error))


def _stopped(method: RawCell, other: RawCell, metric: str, sign: int = 1) -> Difference | None:
    """Return what was decided while a method ran, where it stopped on this metric and the other is its reference."""
    cell, found = method.record, method.record.stopping
    if found is None or found.metric != metric or other.record.id != cell.reference_cell or not method.is_beside(other):
        return None
    units = units_of(cell)
    reason = f"interval valid whenever one stops, at {100 * found.level:g} % over {found.comparisons} methods together"
    if found.value is None or found.ci_low is None or found.ci_high is None:
        value, why = None if found.value is None else sign * found.value, "too little was seen for an interval"
        return Difference(value, n=found.n, how=SEQUENCE, reason=why, units=units)
    ends = sorted((sign * found.ci_low, sign * found.ci_high))
    return Difference(sign * found.value, Interval(*ends), n=found.n, how=SEQUENCE, reason=reason, units=units)


def _stopped_by(a: RawCell, b: RawCell) -> str:
    """Return the metric on which one of two methods stopped early, or ``""``."""
    stops = [raw.record.stopping for raw in (a, b)]
    return next((stop.metric for stop in stops if stop is not None and stop.n < stop.pool), "")


def _planned(a: RawCell, b: RawCell) -> int:
    """Return how many rows the two should share."""
    samples = [raw.record.n_samples for raw in (a, b)]
    return (min(samples) if _stopped_by(a, b) else samples[0]) * len(a.record.seeds)


def _trainings_of(a: RawCell, b: RawCell) -> int:
    """Return over how many trainings two methods are compared; 0 where neither has several."""
    count = max(len(raw.record.trainings) for raw in (a, b))
    return count if count > 1 else 0


def _of_samples(pairs: SamplePairs, a: RawCell, b: RawCell, level: float, planned: int) -> Difference:
    n, units, trainings = len(set(pairs.groups)), pairs.units, _trainings_of(a, b)
    nothing = Difference(None, n=n, how="paired samples", units=units)
    undefined = int((~pairs.known).sum())
    if undefined:
        return nothing._replace(reason=f"{undefined} of {len(pairs.ids)} pairs have no score")
    if len(pairs.ids) < planned or a.record.seeds != b.record.seeds:
        names = f"{a.record.method_id} and {b.record.method_id}"
        return nothing._replace(reason=f"{names} share only {len(pairs.ids)} of {planned} samples")
    found = paired_difference(
        pairs.a, pairs.b, clusters=pairs.groups, trainings=pairs.seeds if trainings else None, level=level
    )
    interval, reason = found.interval, ""
    if len(pairs.ids) > planned:
        reason = f"on all {len(pairs.ids)} pairs in the store, of which the suite now asks for {planned}"
    if interval is None and n < least_clusters(level):
        reason = _too_few(n, units)
    elif interval is None:
        reason = f"the difference is the same on all {n} {units}"
        if found.value == 0 and np.isin([pairs.a, pairs.b], (0, 1)).all() and not trainings:
            interval, reason = _unseen(n, level), f"{reason}; the interval is the exact bound for 0 of {n}"
    if by := _stopped_by(a, b):
        reason = "; ".join(filter(None, (reason, f"interval and p do not know that sampling stopped on {by}")))
    return nothing._replace(
        value=found.value, interval=interval, p=found.p, effect=found.effect, reason=reason, trainings=trainings,
        needed=found.needed,
    )  # fmt: skip


def _too_few(n: int, units: str) -> str:
    return f"{counted(n, units.removesuffix('s'))} {'is' if n == 1 else 'are'} too few for an interval"


def _unseen(n: int, level: float) -> Interval:
    """Return how far two shares can differ although no sample tells them apart: the exact bound for 0 of n, both ways."""
    most = 1 - ((1 - level) / 2) ** (1 / n)
    return Interval(-most, most)


def _of_resamples(a: RawCell, b: RawCell, on_a: Number, on_b: Number, level: float) -> Difference:
    """Return the difference of a metric of whole sets, from the resamples that both cells share.

    Resamples are moved so that their mean falls on the difference measured, as the intervals of such numbers are. p is as
    good as the interval, not exact (``stats.resampled.resampled_p``).
    """
    n = min(a.clusters_of(on_a), b.clusters_of(on_b))
    assert on_a.value is not None
    assert on_b.value is not None
    units = units_of(a.record)
    bare = Difference(on_a.value - on_b.value, n=n, how="paired resamples", units=units)
    ours, theirs = a.resampled(on_a), b.resampled(on_b)
    for raw, resampled in ((a, ours), (b, theirs)):
        if resampled is None:
            return bare._replace(reason=f"{raw.record.method_id} kept no resamples")
    if ours is None or theirs is None or a.replicates is None or b.replicates is None:
        return bare
    if not a.replicates.joint_with(b.replicates):
        return bare._replace(reason=f"{b.record.method_id} ran on other samples than {a.record.method_id}")
    found = combined(ours, theirs)
    if n < least_clusters(level):
        return bare._replace(reason=_too_few(n, units))
    spread = float(np.nanstd(found.replicates, ddof=1))
    interval = resampled_interval(found, level, clusters=n, is_set=True)
    if interval is None:
        return bare._replace(reason="the metric is not defined on some resamples")
    if spread <= FLAT * max(abs(on_a.value), abs(on_b.value)) and not found.trainings:
        return bare._replace(reason="all resamples give the same difference")
    p = resampled_p(found, level, clusters=n)
    if found.trainings:
        return bare._replace(interval=interval, p=p, trainings=found.trainings)
    effect = found.value / (spread * math.sqrt(n))
    return bare._replace(interval=interval, p=p, effect=effect, needed=lambda strict: samples_needed(effect, strict))
