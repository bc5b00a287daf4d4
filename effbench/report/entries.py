"""The entries of a table: numbers as text, column by column; a column that was shown once is not made again.

Which letter stands for a footnote depends on the whole table, so marks are put to the entries of each table anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from effbench.record import CellRecord, Number
from effbench.report.compare import DEFAULT_LEVEL
from effbench.report.resolution import UNRESOLVED, is_unresolved
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells, failure_of, number_of
from effbench.stats.bootstrap import least_clusters

COMPUTED = "computed"
"""How a fact's ``Number.ci_method`` says that nothing was measured, and the flag that it gets for its footnote."""

FEW_UNITS, NO_INTERVAL = "few_units", "no_interval"
"""Flags of a quality number without an interval, for a footnote that says why there is none."""

NOT_RECORDED = "–"
"""What stands where a cell has no such number at all."""

LETTERS, RAISED = "abcdefghijklmnoprstuvwxyz", "ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"
"""Footnote letters, and how plain text raises them (Unicode has no raised q)."""


_RAISE = str.maketrans(LETTERS, RAISED)


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One number as text: a value with its interval, or the reason why there is none; ``marks`` are footnote letters.

    ``rank`` stands behind the interval where methods are ranked by the number; ``is_grey`` is a difference to the reference
    that the subset cannot resolve; ``is_said`` where the row's execution gives the same reason, left out where narrow.
    """

    value: str = ""
    interval: str = ""
    reason: str = ""
    marks: str = ""
    rank: int | None = None
    is_grey: bool = False
    is_said: bool = False

    @property
    def head(self) -> str:
        """Return the value, ``n/a`` for a null, or a dash for what was not recorded; marks belong right behind it."""
        return self.value or ("n/a" if self.reason else NOT_RECORDED)

    @property
    def tail(self) -> str:
        """Return the interval, or the reason of a null in brackets."""
        return self.interval if self.value else f"({self.reason})" if self.reason else ""

    @property
    def short_tail(self) -> str:
        """Return the tail without a reason that the row's execution gives."""
        return "" if self.is_said else self.tail

    @property
    def place(self) -> str:
        """Return the rank as ``#1``, or ``""``."""
        return "" if self.rank is None else f"#{self.rank}"

    @property
    def text(self) -> str:
        """Return the entry in one line, its marks raised: ``12.3ᵃ [11.9, 12.7] #1``."""
        return " ".join(filter(None, (self.head + superscript(self.marks), self.tail, self.place)))


class ColumnEntries(NamedTuple):
    """A column's entry of each cell, without marks; ``flags`` are those of the cells that have some, by position."""

    entries: tuple[TableEntry, ...]
    flags: Mapping[int, tuple[str, ...]]


def entries_of(workload: WorkloadCells, name: str) -> ColumnEntries:
    """Return the entries of the number of that name."""
    return workload.once(f"entries of {name}", lambda: _made(workload, name))


def letters_of(columns: Sequence[ColumnEntries]) -> dict[str, str]:
    """Return flag -> footnote letter, in the order in which a reader comes to them, row by row."""
    flagged = sorted((at, place) for place, column in enumerate(columns) for at in column.flags)
    flags = dict.fromkeys(flag for at, place in flagged for flag in columns[place].flags[at])
    return {flag: LETTERS[index % len(LETTERS)] for index, flag in enumerate(flags)}


def marked(column: ColumnEntries, letters: Mapping[str, str]) -> list[TableEntry]:
    """Return the entries of a column with the letters of their flags."""
    entries = list(column.entries)
    for at, flags in column.flags.items():
        entries[at] = replace(entries[at], marks="".join(sorted({letters[flag] for flag in flags})))
    return entries


def superscript(marks: str) -> str:
    """Return footnote letters as raised characters, for formats without markup of their own."""
    return marks.translate(_RAISE) if marks else ""


def shown_number(workload: WorkloadCells, cell: CellRecord, name: str) -> Number | None:
    """Return a cell's number with what a table says of it besides its own flags."""
    number = number_of(cell, name)
    return None if number is None else replace(number, flags=_flags(workload, cell, number))


def shown_entry(cell: CellRecord, number: Number | None) -> TableEntry:
    """Return a cell's number, as ``shown_number`` gives it, as text without marks or rank."""
    return _entry(cell, number, number is not None and UNRESOLVED in number.flags, None)


def _made(workload: WorkloadCells, name: str) -> ColumnEntries:
    entries, flags = [], {}
    for at, (cell, number, rank) in enumerate(zip(workload.cells, workload.numbers_of(name), workload.ranks_of(name))):
        said = _flags(workload, cell, number) if number is not None else ()
        entries.append(_entry(cell, number, UNRESOLVED in said, rank))
        if said:
            flags[at] = said
    return ColumnEntries(tuple(entries), flags)


def _entry(cell: CellRecord, number: Number | None, is_grey: bool, rank: int | None) -> TableEntry:
    if number is None:
        return TableEntry(reason=failure_of(cell).reason if cell.status == "failed" else "", is_said=True)
    if number.value is None:
        reason = number.reason or "error"
        is_said = reason == (failure_of(cell).reason if cell.status == "failed" else cell.execution)
        return TableEntry(reason=reason, is_said=is_said)
    value, interval = rounded(number.value, number.ci_low, number.ci_high)
    return TableEntry(value, interval, rank=rank, is_grey=is_grey)


def _flags(workload: WorkloadCells, cell: CellRecord, number: Number) -> tuple[str, ...]:
    """Return the flags of a cell's number with what a table says of it besides.

    That is whether the subset cannot tell it from the reference's, that nobody measured it, and why it has no interval.
    """
    unresolved = (UNRESOLVED,) if is_unresolved(workload, cell, number.name) else ()
    computed = (COMPUTED,) if number.ci_method == COMPUTED else ()
    return (*number.flags, *unresolved, *computed, *_without_interval(workload, cell, number))


def _without_interval(workload: WorkloadCells, cell: CellRecord, number: Number) -> tuple[str, ...]:
    """Return the flag of a quality that has a value and no interval."""
    if number.axis != "quality" or number.value is None or number.ci_low is not None:
        return ()
    units = number.n if number.units == "groups" else min(number.n, cell.n_groups or number.n)
    least = least_clusters(max(workload.levels, default=DEFAULT_LEVEL))
    return (FEW_UNITS,) if units < least else (NO_INTERVAL,)
