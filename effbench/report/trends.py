"""A number over a parameter of its task: the same methods on workloads that differ in one number, say a budget of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from effbench.record import CellRecord
from effbench.report.columns import Column, recorded
from effbench.report.summarise import WorkloadCells, name_of, number_of


class TrendPoint(NamedTuple):
    """A method's number where the parameter is ``at``, with the ends of its interval where it has one."""

    at: float
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Trend:
    """Workloads that differ in one number alone: the parameter's name, and value -> workload, ascending."""

    parameter: str
    workloads: Mapping[float, WorkloadCells]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Return the qualities that the first workload's methods have, primary first."""
        first = next(iter(self.workloads.values()))
        return tuple(c for c in recorded(first) if c.axis == "quality" and c.is_plain and not c.absent)

    def lines(self, number: str) -> dict[str, tuple[TrendPoint, ...]]:
        """Return method -> its points, ascending; a method without that number has no line."""
        found: dict[str, list[TrendPoint]] = {}
        for at, workload in self.workloads.items():
            for cell in workload.cells:
                own = number_of(cell, number)
                if own is not None and own.value is not None:
                    point = TrendPoint(at, own.value, own.ci_low, own.ci_high)
                    found.setdefault(name_of(workload, cell), []).append(point)
        return {name: tuple(points) for name, points in found.items()}


def trend_of(workload: WorkloadCells, every: Sequence[WorkloadCells]) -> Trend | None:
    """Return the trend that a workload is a part of: with those that differ from it in one number and nothing else.

    Of several such parameters it is the one with the most values; None where there is none.
    """
    own, sizes = workload.cells[0], dict[str, dict[float, WorkloadCells]]()
    for other in every:
        name = _what_differs(own, other.cells[0])
        if name is not None:
            sizes.setdefault(name, {}).setdefault(float(other.cells[0].identity.task_params[name]), other)
    if not sizes:
        return None
    parameter, found = max(sizes.items(), key=lambda one: len(one[1]))
    found[float(own.identity.task_params[parameter])] = workload
    return Trend(parameter, dict(sorted(found.items())))


def _what_differs(one: CellRecord, other: CellRecord) -> str | None:
    """Return the one parameter, a number on both sides, that tells two cells' workloads apart; None where it is not so."""
    if (one.identity.task, one.identity.system_revision, one.subset) != (
        other.identity.task,
        other.identity.system_revision,
        other.subset,
    ):
        return None
    ours, theirs = one.identity.task_params, other.identity.task_params
    names = [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]
    if len(names) != 1 or not (_is_number(ours.get(names[0])) and _is_number(theirs.get(names[0]))):
        return None
    return names[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
