"""Our own number in the form that a claim has: as it is, or divided by the reference's within the same rounds or samples."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from effbench.errors import StoreError
from effbench.raw import ratio_by_rounds, ratio_interval
from effbench.record import CellRecord, Number, PublishedClaim
from effbench.report.compare import DEFAULT_LEVEL
from effbench.report.summarise import WorkloadCells, failure_of, number_of


class Measured(NamedTuple):
    """Our number in the form of the claim, or None and why there is none."""

    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    unit: str = ""
    higher_is_better: bool = True
    why: str = ""


def measured_for(workload: WorkloadCells, cell: CellRecord, claim: PublishedClaim) -> Measured:
    """Return the number that a claim names, in the form of the claim; where a part that it needs is damaged, none."""
    try:
        found = _found(workload, cell, claim)
    except StoreError as error:
        return Measured(None, why=str(error))
    if not all(bound is None or isfinite(bound) for bound in found[:3]):
        return Measured(None, why="the ratio is larger than any number")
    return found


def _found(workload: WorkloadCells, cell: CellRecord, claim: PublishedClaim) -> Measured:
    name = claim.number
    if not name:
        return Measured(None, why="no number here measures this")
    number = number_of(cell, name)
    if number is None:
        return Measured(None, why=failure_of(cell).reason if cell.status == "failed" else f"{name} was not recorded")
    if number.value is None:
        return Measured(None, why=number.reason or "error")
    if not claim.as_ratio:
        return Measured(number.value, number.ci_low, number.ci_high, number.unit, number.higher_is_better)
    return _ratio(workload, cell, number)


def _ratio(workload: WorkloadCells, cell: CellRecord, number: Number) -> Measured:
    """Return a number divided by the reference's; of a latency within the same rounds, of a quality on the same samples."""
    ours, reference = workload.raw_of(cell), workload.reference_of(cell)
    other = number_of(reference.record, number.name) if reference is not None else None
    if ours is None or reference is None or other is None or not other.value or number.value is None:
        return Measured(None, why="no_reference")
    higher = number.higher_is_better
    if (by_rounds := ratio_by_rounds(cell, number)) is not None:
        return Measured(*by_rounds, "x", higher)
    value = number.value / other.value
    low, high = number.ci_low, number.ci_high
    if other.ci_method == "definition":
        scale = other.value
        return Measured(
            value, None if low is None else low / scale, None if high is None else high / scale, "x", higher
        )
    if number.axis != "quality":
        return Measured(value, None, None, "x", higher)
    if ours is reference:
        return Measured(value, value, value, "x", higher)
    level = workload.levels[0] if workload.levels else DEFAULT_LEVEL
    low, high = ratio_interval(ours.unread(), reference, number, other, level) or (None, None)
    return Measured(value, low, high, "x", higher)
