"""Two methods in one quality metric: in pairs of samples where a sample has a score, in pairs of resamples otherwise."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from effbench.parts import SCORE, read_parts
from effbench.record import Number
from effbench.report.resampled import Member, quality_draws
from effbench.stats.bootstrap import Interval, interval_of, least_clusters
from effbench.stats.paired import paired_difference
from effbench.store import SAMPLE_KEY, CellFolder

Array = np.ndarray[Any, Any]

SEQUENCE = "confidence sequence"


class Difference(NamedTuple):
    """Quality of a - quality of b; ``effect`` is d_z, ``n`` counts samples, all seeds of one together.

    ``how`` is ``paired samples``, ``paired resamples``, or ``confidence sequence`` where sampling stopped on the metric.
    Where there is no value, or not all that comes with it, ``reason`` says why.
    """

    value: float | None
    interval: Interval | None
    p: float | None
    effect: float | None
    n: int
    how: str
    reason: str


def quality_difference(a: Member, b: Member, on_a: Number, on_b: Number, level: float) -> Difference:
    """Return the difference in a metric that both cells have, given their numbers of it."""
    decided = _stopped(a, b, on_a.name) or _stopped(b, a, on_a.name, sign=-1)
    if decided is not None:
        return decided
    # A weighted subset is compared by its resamples, which hold the weights.
    is_plain = on_a.ci_method != "bootstrap_centred" and not (a[0].has_weights or b[0].has_weights)
    scores = _pairs(a, b, on_a.name) if is_plain else None
    if scores is not None:
        return _of_samples(scores, a, b, level)
    return _of_resamples(a, b, on_a, on_b, level)


def _stopped(method: Member, other: Member, metric: str, sign: int = 1) -> Difference | None:
    """Return what was decided while a method ran, where it stopped on this metric and the other is its reference."""
    cell, found = method[0], method[0].stopping
    if found is None or found.metric != metric or other[0].id != cell.reference_cell:
        return None
    reason = f"interval valid whenever one stops, at {100 * found.level:g} % over {found.comparisons} methods together"
    if found.value is None or found.ci_low is None or found.ci_high is None:
        value = None if found.value is None else sign * found.value
        return Difference(value, None, None, None, found.n, SEQUENCE, "too little was seen for an interval")
    ends = sorted((sign * found.ci_low, sign * found.ci_high))
    return Difference(sign * found.value, Interval(*ends), None, None, found.n, SEQUENCE, reason)


def _stopped_by(a: Member, b: Member) -> str:
    """Return the metric on which one of two methods stopped early, or ``""``."""
    early = [m[0].stopping for m in (a, b) if m[0].stopping is not None and m[0].stopping.n < m[0].stopping.pool]
    return early[0].metric if early else ""


class _Pairs(NamedTuple):
    """Scores of both methods on the (seed, sample) rows that both have, and how many rows were planned."""

    a: Array
    b: Array
    ids: list[str]
    planned: int


def _pairs(a: Member, b: Member, name: str) -> _Pairs | None:
    """Return the paired scores of a metric, or None where it has none per sample."""
    found = [_scores(member, name) for member in (a, b)]
    ours, theirs = found
    if ours is None or theirs is None:
        return None
    rows = [row for row in ours if row in theirs]
    planned = (min(a[0].n_samples, b[0].n_samples) if _stopped_by(a, b) else a[0].n_samples) * len(a[0].seeds)
    return _Pairs(np.array([ours[r] for r in rows]), np.array([theirs[r] for r in rows]), [r[1] for r in rows], planned)


def _scores(member: Member, name: str) -> dict[tuple[int, str], float] | None:
    cell, source = member
    table = read_parts(CellFolder(source.folder).samples, SAMPLE_KEY)
    if table is None or SCORE + name not in table.column_names:
        return None
    columns = [table[column].to_pylist() for column in (*SAMPLE_KEY, SCORE + name)]
    return {
        (seed, sample_id): math.nan if score is None else score
        for seed, sample_id, score in zip(*columns)
        if seed in cell.seeds
    }


def _of_samples(pairs: _Pairs, a: Member, b: Member, level: float) -> Difference:
    how = "paired samples"
    samples = len(set(pairs.ids))
    undefined = int((~np.isfinite(pairs.a) | ~np.isfinite(pairs.b)).sum())
    if len(pairs.ids) < pairs.planned or a[0].seeds != b[0].seeds or undefined:
        names = f"{a[0].method_id} and {b[0].method_id}"
        missing = f"{undefined} of {len(pairs.ids)} pairs have no score" if undefined else f"{names} share only"
        why = missing if undefined else f"{missing} {len(pairs.ids)} of {pairs.planned} samples"
        return Difference(None, None, None, None, samples, how, why)
    found = paired_difference(pairs.a, pairs.b, clusters=pairs.ids, level=level)
    interval, reason = found.interval, ""
    if len(pairs.ids) > pairs.planned:
        reason = f"on all {len(pairs.ids)} pairs in the store, of which the suite now asks for {pairs.planned}"
    if interval is None and samples < least_clusters(level):
        reason = f"{samples} samples are too few for an interval"
    elif interval is None:
        reason = f"the difference is the same on all {samples} samples"
        if found.value == 0 and np.isin([pairs.a, pairs.b], (0, 1)).all():
            interval, reason = _unseen(samples, level), f"{reason}; the interval is the exact bound for 0 of {samples}"
    if by := _stopped_by(a, b):
        reason = "; ".join(filter(None, (reason, f"interval and p do not know that sampling stopped on {by}")))
    return Difference(found.value, interval, found.p, found.effect, samples, how, reason)


def _unseen(n: int, level: float) -> Interval:
    """Return how far two shares can differ although no sample tells them apart: the exact bound for 0 of n, both ways."""
    most = 1 - ((1 - level) / 2) ** (1 / n)
    return Interval(-most, most)


def _of_resamples(a: Member, b: Member, on_a: Number, on_b: Number, level: float) -> Difference:
    """Return the difference of a metric of whole sets, from the resamples that both cells share.

    Draws are moved so that their mean falls on the difference measured, as the intervals of such numbers are. p is that of
    the interval: 1 minus the level at which it would end at 0; it is as good as the interval, not exact.
    """
    how, n = "paired resamples", min(a[0].n_samples, b[0].n_samples)
    assert on_a.value is not None
    assert on_b.value is not None
    value = on_a.value - on_b.value
    joint = quality_draws([a, b], on_a.name)
    if joint.values is None:
        return Difference(value, None, None, None, n, how, joint.missing)
    draws = joint.values[0] - joint.values[1]
    draws = draws + (value - draws.mean())
    spread = float(draws.std(ddof=1))
    if n < least_clusters(level):
        return Difference(value, None, None, None, n, how, f"{n} samples are too few for an interval")
    if spread <= 1e-12 * max(abs(on_a.value), abs(on_b.value)):
        return Difference(value, None, None, None, n, how, "all resamples give the same difference")
    effect = value / (spread * math.sqrt(n))
    p = _p_of_draws(draws, n)
    return Difference(value, interval_of(draws, level, n), p, effect, n, how, "")


def _p_of_draws(draws: Array, n: int) -> float:
    """Return the two-sided p that the expanded percentile interval of n samples implies (``stats.bootstrap``)."""
    from scipy.stats import norm, t

    beyond = (1 + min(int((draws <= 0).sum()), int((draws >= 0).sum()))) / (1 + len(draws))
    quantile = -norm.ppf(min(beyond, 0.5)) / math.sqrt(n / (n - 1))
    return float(min(1.0, 2 * t.sf(quantile, n - 1)))
