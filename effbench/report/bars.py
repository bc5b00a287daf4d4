"""The intervals of comparisons as bars against no difference, on one scale for all that are shown of a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from effbench.report.compare import Comparison, ComparisonRow

MARGIN = 0.08
"""Of half the width, left free beyond the longest bar, so that its end is seen."""


class IntervalBar(NamedTuple):
    """Where an interval lies between 0 and 1: 0.5 is no difference, right of it is better whatever the number's direction."""

    at: float
    low: float
    high: float


def bars_of(comparisons: Sequence[Comparison]) -> list[dict[str, IntervalBar]]:
    """Return number -> bar of each comparison, of what has an interval; ratios lie on the scale of their logarithm."""
    reach: dict[str, float] = {}
    found: list[dict[str, tuple[float, float, float]]] = []
    for comparison in comparisons:
        ends = {row.number: moved for row in comparison.rows if (moved := _moved(row)) is not None}
        for number, values in ends.items():
            reach[number] = max(reach.get(number, 0.0), *map(abs, values))
        found.append(ends)
    return [{number: _bar(values, reach[number]) for number, values in ends.items()} for ends in found]


def _moved(row: ComparisonRow) -> tuple[float, float, float] | None:
    """Return (value, both ends of its interval), above 0 where better; None where there is no interval to draw."""
    if row.value is None or row.ci_low is None or row.ci_high is None:
        return None
    values = [row.value, row.ci_low, row.ci_high]
    if row.kind == "ratio":
        if min(values) <= 0:
            return None
        values = [math.log(value) for value in values]
    at, *ends = (value if row.higher_is_better else -value for value in values)
    return (at, min(ends), max(ends))


def _bar(values: tuple[float, float, float], reach: float) -> IntervalBar:
    scale = 2 * reach * (1 + MARGIN) or 1.0
    return IntervalBar(*(0.5 + value / scale for value in values))
