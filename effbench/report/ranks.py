"""Which numbers are ranked, and the ranks: methods whose intervals overlap cannot be told apart and may share one."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.catalogue import SPEEDUP, entry_of
from effbench.record import Number
from effbench.stats.bootstrap import Interval
from effbench.stats.rank import tie_ranks

RANK_TEXT = (
    "#1 is the best rank: 1 + the number of methods whose interval lies wholly on the better side. "
    "Methods that share a rank cannot be told apart."
)
"""What a rank means (``stats.rank.tie_ranks``)."""


def is_ranked(number: Number) -> bool:
    """Return whether methods are ranked by this number: the primary quality, and the speed-up at each batch size."""
    entry = entry_of(number.name)
    is_quality = number.axis == "quality" and number.primary and not number.slice
    return is_quality or (entry is not None and entry.name == SPEEDUP)


def ranks_of(numbers: Sequence[Number | None]) -> list[int | None]:
    """Return the rank of each method by its interval; None where it has none, and for all where fewer than two have one.

    A number that holds by definition (the reference's own speed-up of 1) is an interval of width zero.
    """
    bounds = [_bounds(number) for number in numbers]
    known = [number for number, bound in zip(numbers, bounds) if number is not None and bound is not None]
    if len(known) < 2 or not is_ranked(known[0]):
        return [None] * len(bounds)
    return tie_ranks(bounds, known[0].higher_is_better)


def _bounds(number: Number | None) -> Interval | None:
    if number is None or number.value is None:
        return None
    if number.ci_method == "definition":
        return Interval(number.value, number.value)
    if number.ci_low is None or number.ci_high is None:
        return None
    return Interval(number.ci_low, number.ci_high)
