"""Two methods alone and as a chain: whether what they gain and what they cost simply adds up.

Speed-ups of independent savings multiply; what the chain has beyond the product, or short of it, is their interaction.
Errors of independent changes add as squares, so decibels of a chain are held against those of both errors together; any
other metric against the sum of both differences.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.raw import RawCell
from effbench.report.speed import Rounds, shared_logs
from effbench.stats.bootstrap import Interval
from effbench.stats.items import log_mean
from effbench.stats.paired import paired_difference

DECIBEL = "dB"
"""Unit of metrics that are logarithms of squared errors."""


class Interaction(NamedTuple):
    """What a chain is, what was ``expected`` of its parts, and by how much it is better (ratio or difference).

    ``n`` counts rounds or samples. ``interval`` is None where there are too few.
    """

    together: float
    expected: float
    value: float
    interval: Interval | None
    n: int


def time_interaction(
    chain: Rounds, first: Rounds, second: Rounds, reference: Rounds, level: float
) -> Interaction | None:
    """Return speed-up of the chain / (speed-up of the first x of the second), over rounds that all four share; else None.

    Above 1 the chain is faster than its parts promise. Interval: t over rounds and items (``stats.items.log_mean``).
    """
    tables = [shared_logs(reference, rounds) for rounds in (chain, first, second)]
    rounds = [name for name in tables[0].rounds if all(name in table.rounds for table in tables)]
    items = [item for item in tables[0].items if all(item in table.items for table in tables)]
    if not rounds or not items:
        return None
    together, one, other = (t.of_items(items)[[t.rounds.index(name) for name in rounds]] for t in tables)
    found = log_mean(together - one - other)
    interval = found.interval(level)
    return Interaction(
        math.exp(float(np.nanmean(together))),
        math.exp(float(np.nanmean(one + other))),
        math.exp(found.value),
        None if interval is None else Interval(*map(math.exp, interval)),
        found.rounds,
    )


def quality_interaction(
    chain: RawCell, first: RawCell, second: RawCell, reference: RawCell, metric: str, unit: str, level: float
) -> Interaction | None:
    """Return by how much a metric of the chain lies above what its parts alone promise, paired over samples; else None.

    Expected are, in decibels, both squared errors together, and else first + second - reference, sample by sample.
    """
    cells = (chain, first, second) if unit == DECIBEL else (chain, first, second, reference)
    scores = [_scores(cell, metric) for cell in cells]
    keys = [key for key in scores[0] if all(key in table for table in scores)]
    if not keys:
        return None
    together, one, other, *rest = (np.array([table[key] for key in keys]) for table in scores)
    expected = _both_errors(one, other) if unit == DECIBEL else one + other - rest[0]
    if not np.isfinite(together - expected).all():
        return None
    found = paired_difference(together, expected, clusters=_groups(chain, keys), level=level)
    assert found.value is not None
    return Interaction(float(together.mean()), float(expected.mean()), found.value, found.interval, found.n)


def _both_errors(a_db: Array, b_db: Array) -> Array:
    both: Array = -10 * np.log10(10 ** (-a_db / 10) + 10 ** (-b_db / 10))
    return both


def _scores(cell: RawCell, metric: str) -> Mapping[tuple[int, str], float]:
    rows = cell.scalars
    if rows is None or metric not in rows.scores.scalars:
        return {}
    return dict(zip(zip(rows.seeds, rows.ids), map(float, rows.scores.scalars[metric])))


def _groups(cell: RawCell, keys: Sequence[tuple[int, str]]) -> list[str]:
    rows = cell.scalars
    assert rows is not None
    group_of = dict(zip(zip(rows.seeds, rows.ids), rows.groups))
    return [group_of[key] for key in keys]
