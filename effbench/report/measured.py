"""Our own number in the form that a claim has: as it is, or divided by the reference's within the same rounds or samples."""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

import numpy as np

from effbench.record import CellRecord, Number, PublishedClaim
from effbench.report.resampled import members_of, quality_draws
from effbench.report.summarise import Workload, failure_of, number_of

DEFAULT_LEVEL = 0.95


class Measured(NamedTuple):
    """Our number in the form of the claim, or None and why there is none."""

    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    unit: str = ""
    higher_is_better: bool = True
    why: str = ""


def measured_for(workload: Workload, cell: CellRecord, claim: PublishedClaim) -> Measured:
    """Return the number that a claim names, in the form of the claim."""
    found = _found(workload, cell, claim)
    if not all(bound is None or isfinite(bound) for bound in found[:3]):
        return Measured(None, why="the ratio is larger than any number")
    return found


def _found(workload: Workload, cell: CellRecord, claim: PublishedClaim) -> Measured:
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


def _ratio(workload: Workload, cell: CellRecord, number: Number) -> Measured:
    """Return a number divided by the reference's; of a latency within the same rounds, of a quality on the same samples."""
    reference = _reference_of(workload, cell)
    other = number_of(reference, number.name) if reference is not None else None
    if reference is None or other is None or not other.value or number.value is None:
        return Measured(None, why="no_reference")
    higher = number.higher_is_better
    base, at, size = number.name.partition("@")
    if base == "latency_p50_ms" and (speedup := number_of(cell, f"speedup{at}{size}")) and speedup.value:
        low, high = speedup.ci_low, speedup.ci_high
        return Measured(1 / speedup.value, 1 / high if high else None, 1 / low if low else None, "x", higher)
    value = number.value / other.value
    low, high = number.ci_low, number.ci_high
    if other.ci_method == "definition":
        scale = other.value
        return Measured(
            value, None if low is None else low / scale, None if high is None else high / scale, "x", higher
        )
    bounds = (
        _quality_bounds(workload, cell, reference, number.name, value) if number.axis == "quality" else (None, None)
    )
    return Measured(value, *bounds, "x", higher)


def _quality_bounds(
    workload: Workload, cell: CellRecord, reference: CellRecord, name: str, value: float
) -> tuple[float | None, float | None]:
    """Return the percentile interval of the ratio over joint resamples, moved onto the ratio measured.

    A ratio of numbers above zero is moved by a factor, and so stays above zero.
    """
    if cell is reference:
        return value, value
    joint = quality_draws(members_of(workload, [cell, reference]), name)
    if joint.values is None or not (joint.values[1] != 0).all():
        return None, None
    ratios = joint.values[0] / joint.values[1]
    level = workload.levels[0] if workload.levels else DEFAULT_LEVEL
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    if value > 0 and (ratios > 0).all():
        factor = value / np.exp(np.log(ratios).mean())
        return float(low * factor), float(high * factor)
    shift = value - ratios.mean()
    return float(low + shift), float(high + shift)


def _reference_of(workload: Workload, cell: CellRecord) -> CellRecord | None:
    """Return the reference that the cell was run beside, from its own store."""
    if cell.role == "reference":
        return cell
    own = {id(c): source.folder.parent for c, source in zip(workload.cells, workload.sources)}
    for other in workload.cells:
        if other.id == cell.reference_cell and own[id(other)] == own[id(cell)]:
            return other
    return None
