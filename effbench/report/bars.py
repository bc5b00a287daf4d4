"""The intervals of comparisons as bars against no difference, on one scale for all that are shown of a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from effbench.report.compare import Comparison, ComparisonRow

MARGIN = 0.08
"""Of half the width, left free beyond the longest bar, so that its end is seen."""


class IntervalBar(NamedTuple):
    """Where an interval lies between 0 and 1: 0.5 is no difference, right of it is better whatever the number's direction.

    ``low`` and ``high`` are None where there is a value alone.
    """

    at: float
    low: float | None
    high: float | None


def bars_of(comparisons: Sequence[Comparison]) -> list[dict[str, IntervalBar]]:
    """Return number -> bar of each comparison; ratios lie on the scale of their logarithm."""
    reach: dict[str, float] = {}
    found: list[dict[str, tuple[float, ...]]] = []
    for comparison in comparisons:
        ends = {row.number: moved for row in comparison.rows if (moved := _moved(row)) is not None}
        for number, values in ends.items():
            reach[number] = max(reach.get(number, 0.0), *map(abs, values))
        found.append(ends)
    return [{number: _bar(values, reach[number]) for number, values in ends.items()} for ends in found]


def _moved(row: ComparisonRow) -> tuple[float, ...] | None:
    """Return (value, ends of the interval where it has any), above 0 where better; None where nothing can be drawn."""
    if row.value is None:
        return None
    values = [row.value] if row.ci_low is None or row.ci_high is None else [row.value, row.ci_low, row.ci_high]
    if row.kind == "ratio":
        if min(values) <= 0:
            return None
        values = [math.log(value) for value in values]
    sign = 1 if row.higher_is_better else -1
    at, *ends = (sign * value for value in values)
    return (at, *sorted(ends))


def _bar(values: Sequence[float], reach: float) -> IntervalBar:
    scale = 2 * reach * (1 + MARGIN) or 1.0
    at, *ends = (0.5 + value / scale for value in values)
    low, high = ends or (None, None)
    return IntervalBar(at, low, high)
