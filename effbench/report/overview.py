"""The start page in data: per task its systems, what stands out on each, and what was decided and what not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from effbench.catalogue import SPEEDUP
from effbench.record import CellRecord, Number
from effbench.report.columns import Column, primary_of, recorded
from effbench.report.rounding import rounded
from effbench.report.summarise import Summary, WorkloadCells, name_of, number_of

NEWEST = 6
"""Entries that a start page lists: a look, not a log."""


class Verdicts(NamedTuple):
    """How many methods' intervals lie wholly on the better side of the reference's, wholly on the worse, and neither."""

    better: int
    worse: int
    undecided: int


class TradeOff(NamedTuple):
    """The fastest method whose quality is not wholly below the reference's: its name, and its speed-up in words."""

    name: str
    speedup: str


@dataclass(frozen=True)
class SystemCard:
    """One workload: how many methods, how many failed, its verdicts (None where the reference has no such number)."""

    workload: WorkloadCells
    methods: int
    failed: int
    quality_name: str
    quality: Verdicts | None
    speed: Verdicts | None
    best: TradeOff | None


@dataclass(frozen=True)
class TaskCard:
    """A task with its systems."""

    task: str
    systems: tuple[SystemCard, ...]


class NewEntry(NamedTuple):
    """A cell among the newest: its workload's title, its name there, when it was finished, and its primary numbers."""

    title: str
    name: str
    finished_utc: str
    words: str


def overview_of(summary: Summary) -> tuple[TaskCard, ...]:
    """Return a card per task, in order of appearance."""
    tasks: dict[str, list[SystemCard]] = {}
    for workload in summary.workloads:
        tasks.setdefault(workload.cells[0].identity.task, []).append(_system(workload))
    return tuple(TaskCard(task, tuple(systems)) for task, systems in tasks.items())


def newest_entries(summary: Summary, count: int = NEWEST) -> tuple[NewEntry, ...]:
    """Return the methods that were finished last, the newest first; references are no news."""
    found = [
        (cell.finished_utc, workload, cell)
        for workload in summary.workloads
        for cell in workload.cells
        if cell.role != "reference" and cell.status == "complete"
    ]
    found.sort(key=lambda entry: entry[0], reverse=True)
    return tuple(
        NewEntry(workload.title, name_of(workload, cell), utc, _words(workload, cell))
        for utc, workload, cell in found[:count]
    )


def _system(workload: WorkloadCells) -> SystemCard:
    quality, speed = primary_of(workload, "quality"), speed_column(workload)
    failed = sum(cell.status == "failed" for cell in workload.cells)
    return SystemCard(
        workload,
        methods=sum(cell.role != "reference" for cell in workload.cells),
        failed=failed,
        quality_name=quality.label if quality is not None else "",
        quality=verdicts(workload.cells, quality) if quality is not None else None,
        speed=verdicts(workload.cells, speed) if speed is not None else None,
        best=best_trade_off(workload, quality, speed),
    )


def speed_column(workload: WorkloadCells) -> Column | None:
    """Return the column of the speed-up, None where nothing was timed."""
    return next((column for column in recorded(workload) if column.name == SPEEDUP), None)


def verdicts(cells: Sequence[CellRecord], column: Column) -> Verdicts | None:
    """Return how the methods stand to the reference by their own intervals; None where it has no such number.

    Intervals that overlap decide nothing; a paired comparison may (``report.compare``), and is never less sharp.
    """
    reference = next((number_of(cell, column.name) for cell in cells if cell.role == "reference"), None)
    if reference is None or reference.value is None:
        return None
    counts = [0, 0, 0]
    for cell in cells:
        number = number_of(cell, column.name)
        if cell.role == "reference" or number is None or number.value is None:
            continue
        counts[{1: 0, -1: 1, 0: 2}[side_of(number, reference)]] += 1
    return Verdicts(*counts)


def side_of(number: Number, reference: Number) -> int:
    """Return 1 where a number's interval lies wholly on the better side of the reference's, -1 on the worse, 0 else."""
    low, high = _bounds(number)
    other_low, other_high = _bounds(reference)
    sign = (low > other_high) - (high < other_low)
    return sign if number.higher_is_better else -sign


def best_trade_off(workload: WorkloadCells, quality: Column | None, speed: Column | None) -> TradeOff | None:
    """Return the fastest method by the lower bound of its speed-up, of those that are faster and not wholly worse.

    Where the reference has no quality of its own (it is what others are compared with), there is no such method.
    """
    if quality is None or speed is None:
        return None
    reference = next((number_of(cell, quality.name) for cell in workload.cells if cell.role == "reference"), None)
    if reference is None or reference.value is None:
        return None
    fastest: tuple[float, CellRecord, Number] | None = None
    for cell in workload.cells:
        speedup, worth = number_of(cell, speed.name), number_of(cell, quality.name)
        if cell.role == "reference" or speedup is None or speedup.value is None or worth is None or worth.value is None:
            continue
        low = _bounds(speedup)[0]
        if low > 1 and side_of(worth, reference) >= 0 and (fastest is None or low > fastest[0]):
            fastest = (low, cell, speedup)
    if fastest is None:
        return None
    _, cell, speedup = fastest
    return TradeOff(name_of(workload, cell), _text(speedup))


def _words(workload: WorkloadCells, cell: CellRecord) -> str:
    columns = [primary_of(workload, "quality"), speed_column(workload)]
    found = [(column, number_of(cell, column.name)) for column in columns if column is not None]
    return ", ".join(
        f"{column.label} {_text(number)}" for column, number in found if number is not None and number.value is not None
    )


def _text(number: Number) -> str:
    value, interval = rounded(number.value or 0.0, number.ci_low, number.ci_high)
    unit = "x" if number.unit == "x" else f" {number.unit}" if number.unit else ""
    return " ".join(filter(None, (value + unit, interval)))


def _bounds(number: Number) -> tuple[float, float]:
    """Return the interval of a number that has a value; a bound that is not known is the value itself."""
    value = number.value or 0.0
    return (value if number.ci_low is None else number.ci_low, value if number.ci_high is None else number.ci_high)
