"""One method of a workload: its headline with rank and interval, and every number of it with how it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from effbench.counted import counted
from effbench.raw import RawCell, how_of
from effbench.record import CellRecord, Number
from effbench.report.caption import METHOD_TEXT, units_of
from effbench.report.columns import Column, columns_of, label_of
from effbench.report.entries import shown_entry, shown_number
from effbench.report.ranks import ranks_of
from effbench.report.resolution import UNRESOLVED
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells, name_of, number_of
from effbench.report.tables import FLAG_TEXT

NOTES = {**FLAG_TEXT, UNRESOLVED: FLAG_TEXT[UNRESOLVED].partition(" (")[0]}
"""Flags in words, as in a table's footnotes, without where it stands there."""

LONGEST_VALUE = 60
"""Characters of a parameter in a sentence, as in a method's name; the identity has all of it."""

NUMBER_HEADINGS = ("number", "value", "interval", "n", "interval by", "note")
"""Of the table of every number."""


@dataclass(frozen=True)
class EntryIndex:
    """What the entries of a workload share: a name for each cell, the headline's columns, and the ranks in each of them."""

    workload: WorkloadCells
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    ranks: tuple[tuple[int | None, ...], ...]

    @property
    def first(self) -> int:
        """Return the place of the entry that is shown unasked: the first that is compared with a reference."""
        roles = [cell.role for cell in self.workload.cells]
        return roles.index("method") if "method" in roles else 0

    def raw_of(self, name: str) -> RawCell:
        """Return the cell of a name, with its raw parts."""
        return self.workload.raw[self.names.index(name)]


class HeadlineNumber(NamedTuple):
    """A number of the headline as text: ``rank`` is ``""`` where none is ranked by it, ``notes`` are its flags in words."""

    label: str
    value: str
    interval: str
    rank: str
    notes: tuple[str, ...]


def entry_names(workload: WorkloadCells) -> tuple[str, ...]:
    """Return a name for each cell: its method's, with its place where there are several, and a number where that is taken."""
    seen: Counter[str] = Counter()
    names = []
    for cell in workload.cells:
        name = name_of(workload, cell)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)


def entry_index(workload: WorkloadCells) -> EntryIndex:
    """Return what the entries of a workload share; it is worth keeping: its ranks are over all of them."""
    columns = columns_of(workload)
    ranks = tuple(tuple(ranks_of([number_of(cell, column.name) for cell in workload.cells])) for column in columns)
    return EntryIndex(workload, entry_names(workload), columns, ranks)


def headline_of(index: EntryIndex, name: str) -> tuple[HeadlineNumber, ...]:
    """Return the headline of one entry."""
    place = index.names.index(name)
    cell = index.workload.cells[place]
    return tuple(
        _headline_number(index.workload, cell, column, ranks, ranks[place])
        for column, ranks in zip(index.columns, index.ranks)
    )


def headline_notes(headline: Sequence[HeadlineNumber]) -> dict[str, tuple[str, ...]]:
    """Return each note of a headline with the labels of the numbers that it holds for."""
    notes = dict.fromkeys(note for number in headline for note in number.notes)
    return {note: tuple(number.label for number in headline if note in number.notes) for note in notes}


def _headline_number(
    workload: WorkloadCells, cell: CellRecord, column: Column, ranks: Sequence[int | None], rank: int | None
) -> HeadlineNumber:
    number = shown_number(workload, cell, column.name)
    entry = shown_entry(cell, number)
    unit = f" {column.unit}" if column.unit and entry.value else ""
    notes = tuple(NOTES.get(flag, flag.replace("_", " ")) for flag in number.flags) if number is not None else ()
    return HeadlineNumber(
        column.label, entry.head + unit, entry.tail, "" if rank is None else rank_text(rank, ranks), notes
    )


def chain_text(cell: CellRecord) -> str:
    """Return the methods of a cell with the parameters that were passed: ``vidit-q (weight_bits=4) then sampler``."""
    return " then ".join(
        f"{link.use} ({', '.join(f'{name}={_shortened(value)}' for name, value in link.passed.items())})"
        if link.passed
        else link.use
        for link in cell.identity.chain
    )


def _shortened(value: object) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def rank_text(rank: int, ranks: Sequence[int | None]) -> str:
    """Return a rank in words: among how many, and with how many it is shared."""
    others = ranks.count(rank) - 1
    shared = f", shared with {counted(others, 'other')}" if others else ""
    return f"#{rank} of {len(ranks) - ranks.count(None)}{shared}"


def number_rows(workload: WorkloadCells, cell: CellRecord) -> tuple[tuple[str, ...], ...]:
    """Return every number of a cell as text, under ``NUMBER_HEADINGS``."""
    return tuple(_number_row(cell, shown_number(workload, cell, number.name) or number) for number in cell.numbers)


def _number_row(cell: CellRecord, number: Number) -> tuple[str, ...]:
    unit = f" ({number.unit})" if number.unit else ""
    label = f"{label_of(number.name, number.unit, number.axis)}{unit}"
    notes = [NOTES.get(flag, flag.replace("_", " ")) for flag in number.flags]
    if number.value is None:
        return (label, "n/a", "", "", "", "; ".join([number.reason or "error", *notes]))
    value, interval = rounded(number.value, number.ci_low, number.ci_high)
    how = how_of(number)
    words = METHOD_TEXT.get(how, how.replace("_", " ")).replace("{units}", units_of(cell)) if interval else ""
    notes += ["by definition"] if how == "definition" else []
    return (label, value, interval, f"{number.n} {number.units}".rstrip() if number.n else "", words, "; ".join(notes))
