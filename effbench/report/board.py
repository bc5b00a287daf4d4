"""The rows of the leaderboard's first screen: their order, the groups that cannot be told apart, and bars of intervals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from effbench.record import Number
from effbench.report.columns import Column
from effbench.report.ranks import is_ranked
from effbench.report.summarise import WorkloadCells
from effbench.report.tables import Table, TableRow

SUITE_ORDER, BY_NAME, NEWEST = "suite order", "name", "newest"
"""Orders that no number gives."""


class Bar(NamedTuple):
    """An interval and its value as shares (0 to 1) of the width that all intervals of a column take together.

    ``reference`` is where the reference's value lies on the same scale, None where it has none.
    """

    low: float
    value: float
    high: float
    reference: float | None


@dataclass(frozen=True)
class BoardRow:
    """A row as it is drawn. ``group`` is the rank by which rows are ordered, None where they are not ordered by ranks.

    ``is_group_start`` marks the first row of those that share a rank; ``bars`` has one per column, None where there is none.
    """

    row: TableRow
    position: int
    group: int | None
    is_group_start: bool
    bars: tuple[Bar | None, ...]


def orders_of(table: Table) -> tuple[str, ...]:
    """Return what rows can be ordered by: each column by its name, best first, then the orders that no number gives."""
    return (*(column.name for column in table.columns), SUITE_ORDER, BY_NAME, NEWEST)


def board_rows(workload: WorkloadCells, table: Table, order: str, shown: Collection[int]) -> tuple[BoardRow, ...]:
    """Return the rows at some positions of a table in an order, references on top.

    A column whose numbers are ranked orders by rank first and by value only within a rank, so that rows which cannot be told
    apart stand together; their ranks are among all methods of the workload, whichever are shown. Cells without the number
    come last. Raises ``ValueError`` for an order that ``orders_of`` does not name.
    """
    if order not in orders_of(table):
        raise ValueError(f"no such order: {order!r}")
    names = [column.name for column in table.columns]
    at = names.index(order) if order in names else None
    bars = [_bars(workload, column) for column in table.columns]
    numbers = workload.numbers_of(order)
    positions = sorted(shown, key=lambda position: _key(table, order, at, numbers[position], position))
    found: list[BoardRow] = []
    for position in positions:
        row = table.rows[position]
        group = None if at is None or row.is_reference else row.entries[at].rank
        before = found[-1].group if found else None
        is_start = group is not None and group != before
        found.append(BoardRow(row, position, group, is_start, tuple(column[position] for column in bars)))
    return tuple(found)


def _key(table: Table, order: str, at: int | None, number: Number | None, position: int) -> tuple[object, ...]:
    """Return what sorts a row with its number: references first, then by the order, then as in the suite."""
    row = table.rows[position]
    first: tuple[object, ...] = (not row.is_reference,)
    if order == BY_NAME:
        return (*first, row.name.casefold(), position)
    if order == NEWEST:
        return (*first, tuple(-ord(character) for character in row.cell.finished_utc), position)
    if at is None:
        return (*first, position)
    column = table.columns[at]
    if number is None or number.value is None:
        return (*first, True, 0, 0.0, position)
    rank = row.entries[at].rank
    worth = -number.value if column.higher_is_better else number.value
    return (*first, False, rank if rank is not None else len(table.rows) + 1, worth, position)


def _bars(workload: WorkloadCells, column: Column) -> list[Bar | None]:
    """Return the bars of a column: where its numbers are ranked, and anywhere else none."""
    numbers = workload.numbers_of(column.name)
    return workload.once(f"bars of {column.name}", lambda: _made_bars(workload, numbers))


def _made_bars(workload: WorkloadCells, numbers: Sequence[Number | None]) -> list[Bar | None]:
    spans = [_span(number) for number in numbers]
    known = [span for span in spans if span is not None]
    if not known or not any(number is not None and is_ranked(number) for number in numbers):
        return [None] * len(numbers)
    low, high = min(span[0] for span in known), max(span[2] for span in known)
    if high == low:
        return [None] * len(numbers)
    references = [span[1] for span, cell in zip(spans, workload.cells) if span is not None and cell.role == "reference"]
    mark = (references[0] - low) / (high - low) if references else None
    width = high - low
    return [
        None if span is None else Bar((span[0] - low) / width, (span[1] - low) / width, (span[2] - low) / width, mark)
        for span in spans
    ]


def _span(number: Number | None) -> tuple[float, float, float] | None:
    """Return (low, value, high) of a number, a bound that is not known being its value; None where it has no value."""
    if number is None or number.value is None:
        return None
    low = number.value if number.ci_low is None else number.ci_low
    high = number.value if number.ci_high is None else number.ci_high
    return min(low, number.value), number.value, max(high, number.value)
