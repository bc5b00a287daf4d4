"""Tables for a terminal: one line per cell where the width allows, else the interval under its value, else compact.

Compact puts the execution under the method, breaks names where words meet, and leaves one space between columns and none
inside an interval; the headline then fits 80 characters. Numbers are never cut or wrapped. What is too wide all the same
loses its last columns, which a line names, where it is the headline; columns that were asked for continue in further parts
that repeat the methods.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from effbench.report.claims import LEDGER_TEXT, LEDGER_TITLE, ledger_columns
from effbench.report.columns import Column
from effbench.report.tables import Table, TableEntry, TableRow, superscript

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

PLAIN_WIDTH = 140
"""Characters where there is no terminal: a headline of the usual tasks with its intervals in one line per method."""

METHOD_WIDTH = 32
"""A method's name wraps beyond this many characters; a number never does."""

COMPACT_METHOD = 10
"""The least width of a compact method column."""

UNBROKEN = ("claimed", "measured here")
"""Columns of a ledger that hold numbers, which are never wrapped."""

STATUS_STYLE = {"reproduced": "green", "not reproduced": "red"}
EXECUTION_STYLE = {"real": "green", "simulated": "yellow"}
"""Colours of a terminal; what has none here is plain, a failure red."""


class Layout(NamedTuple):
    """How a table is laid out: ``parts`` are the column indices of each part, ``left_out`` those of none.

    ``stacked``: intervals stand under their values; ``compact``: also as the module says.
    """

    stacked: bool
    compact: bool
    parts: list[list[int]]
    left_out: list[int]

    @property
    def between(self) -> int:
        """Return the spaces between two columns."""
        return 1 if self.compact else 2


def output_width(is_terminal: bool) -> int:
    """Return how wide text on stdout may be: of the terminal, or of ``COLUMNS`` where that is set, else ``PLAIN_WIDTH``."""
    if is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return PLAIN_WIDTH


def stdout_look() -> tuple[int, bool]:
    """Return the width for stdout and whether it takes colours."""
    is_terminal = sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty()
    return output_width(is_terminal), is_terminal


def render_terminal(tables: Sequence[Table], width: int = PLAIN_WIDTH, colour: bool = False) -> str:
    """Return the tables as text of ``width`` columns, with ANSI colours where asked."""
    import io

    from rich.console import Console
    from rich.padding import Padding

    buffer = io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    for table in tables:
        found = layout(table, width)
        console.width = max(width, *(_width(table, indices, found) for indices in found.parts))
        console.print()
        console.print(_styled(table.title, "bold"))
        for number, indices in enumerate(found.parts):
            part = _part(table, indices, found, console.width)
            console.print(Padding(part, (min(number, 1), 0, 0, 0), expand=False))
        for line in (*table.under, *_more(table, found)):
            console.print(_styled(line, "dim"))
        if table.ledger:
            console.print()
            console.print(_styled(LEDGER_TITLE, "bold"))
            for block in _claims(table, width):
                console.print(block)
            console.print(_styled(LEDGER_TEXT, "dim"))
    return "\n".join(line.rstrip() for line in buffer.getvalue().lstrip("\n").split("\n"))


def layout(table: Table, width: int) -> Layout:
    """Return the widest layout of a table that fits a terminal of that width."""
    indices = list(range(len(table.columns)))
    for stacked, compact in ((False, False), (True, False), (True, True)):
        found = Layout(stacked, compact, [indices], [])
        if _width(table, indices, found) <= width:
            return found
    if table.is_headline:
        kept = list(indices)
        while len(kept) > 1 and _width(table, kept, found) > width:
            kept.pop()
        return found._replace(parts=[kept], left_out=indices[len(kept) :])
    parts: list[list[int]] = [[]]
    for index in indices:
        if parts[-1] and _width(table, [*parts[-1], index], found) > width:
            parts.append([])
        parts[-1].append(index)
    return found._replace(parts=parts)


def _more(table: Table, found: Layout) -> list[str]:
    """Return a line that says what is not shown, and how to see it."""
    lines = []
    if found.left_out:
        names = ", ".join(table.columns[index].label for index in found.left_out)
        lines.append(f"Not shown, for want of width: {names}")
    if table.more:
        lines.append(f"{table.more} more numbers: effbench report STORE --columns all (or names, with commas).")
    if table.apart:
        lines.append(f"Also recorded: effbench report STORE --columns {','.join(table.apart)}.")
    return lines


def _part(table: Table, indices: Sequence[int], found: Layout, width: int) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable

    padding = (0, found.between - 1, 0, 0)
    part = RichTable(box=box.SIMPLE_HEAD, padding=padding, pad_edge=False, show_edge=False, header_style="bold")
    others = _width(table, indices, found) - _least_method(table, found)
    method_width = min(_method_width(table), max(width - others, _least_method(table, found)))
    part.add_column("method", width=method_width, overflow="fold")
    if not found.compact:
        part.add_column("execution", no_wrap=True)
    if table.shows_where:
        part.add_column("where", no_wrap=True)
    for index in indices:
        column_width = _column_width(table, index, found)
        part.add_column(_heading(table.columns[index]), justify="right", vertical="top", width=column_width)
    for row in table.rows:
        look = "bold" if row.is_reference else ""
        if found.compact:
            fixed = [_styled(broken(row.name, method_width) + "\n", look).append(_badge(row, True))]
        else:
            fixed = [_styled(row.name, look), _badge(row, found.stacked)]
        where = [_styled(row.where, "")] if table.shows_where else []
        part.add_row(*fixed, *where, *(_entry_text(row.entries[index], found) for index in indices))
    return part


def broken(name: str, width: int) -> str:
    """Return a method's name over several lines, broken before ``+``, ``(`` and a space, and after ``-``."""
    lines = [""]
    for piece in _pieces(name):
        if lines[-1] and len(lines[-1]) + len(piece) > width:
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    return "\n".join(line.rstrip() for line in lines)


def _pieces(name: str) -> list[str]:
    return re.findall(r"[+( ]?[^-+( ]*-?", name)[:-1] or [name]


def _claims(table: Table, width: int) -> Sequence[RichTable | Text]:
    """Return the claims as a table or, where the width would break words or hide columns, as a few lines each."""
    from rich import box
    from rich.table import Table as RichTable

    headings, rows = ledger_columns(table.ledger)
    least = [max(map(len, _unbreakable(heading, texts))) for heading, *texts in zip(headings, *rows)]
    if sum(least) + 2 * (len(least) - 1) > width:
        return [_claim_lines(dict(zip(headings, row))) for row in rows]
    part = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        part.add_column(heading, overflow="fold", vertical="top", no_wrap=heading in UNBROKEN)
    for row in rows:
        part.add_row(*(_styled(text, STATUS_STYLE.get(text, "")) for text in row))
    return [part]


def _unbreakable(heading: str, texts: Sequence[str]) -> list[str]:
    """Return what of a column of claims stands on one line: words, or all of a number with its interval."""
    return [heading, *(piece for text in texts for piece in ([text] if heading in UNBROKEN else text.split()))]


def _claim_lines(claim: Mapping[str, str]) -> Text:
    status = _styled(claim["status"], STATUS_STYLE.get(claim["status"], ""))
    head = _styled(f"{claim['method']}: {claim['claim']}", "bold")
    numbers = _styled(f"\nclaimed {claim['claimed']}; measured here {claim['measured here']}; ", "")
    return head.append_text(numbers).append_text(status).append(f"\n{claim['setting']}; {claim['source']}", "dim")


def _heading(column: Column) -> Text:
    from rich.text import Text

    return Text(column.label).append(f"\n{_unit(column)}", "dim")


def _entry_text(entry: TableEntry, found: Layout) -> Text:
    """Return value, interval (or reason) and rank in one line, or stacked: value and rank, and below the interval."""
    from rich.text import Text

    value = Text(entry.head + superscript(entry.marks), "" if entry.value and not entry.is_grey else "dim")
    below = entry.short_tail.replace(", ", ",") if found.compact else entry.tail
    tail = [Text(below, "dim")] if below else []
    place = [Text(entry.place, "dim")] if entry.place else []
    if not found.stacked:
        return Text(" ").join([value, *tail, *place])
    return Text("\n").join([Text(" ").join([value, *place]), *tail])


def _badge(row: TableRow, stacked: bool) -> Text:
    word = row.execution.replace(" (", "\n(", 1) if stacked else row.execution
    return _styled(word, EXECUTION_STYLE.get(row.execution, "red"))


def _column_width(table: Table, index: int, found: Layout) -> int:
    """Return the width of a column: its widest entry, or its heading on two lines."""
    column = table.columns[index]
    lines = [line for row in table.rows for line in _entry_text(row.entries[index], found).plain.split("\n")]
    return max(_two_lines(column.label), *map(len, [_unit(column), *lines]))


def _two_lines(label: str) -> int:
    """Return the least width in which a heading stands on at most two lines."""
    words = label.split()
    breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words) + 1)]
    return min((max(map(len, pair)) for pair in breaks), default=0)


def _width(table: Table, indices: Sequence[int], found: Layout) -> int:
    """Return the least width of a part with these columns, the ones that name the row included."""
    widths = [_least_method(table, found)]
    if not found.compact:
        badges = [line for row in table.rows for line in _badge(row, found.stacked).plain.split("\n")]
        widths.append(max(map(len, ["execution", *badges])))
    if table.shows_where:
        widths.append(max(len(text) for text in ("where", *(row.where for row in table.rows))))
    widths += [_column_width(table, index, found) for index in indices]
    return sum(widths) + found.between * (len(widths) - 1)


def _method_width(table: Table) -> int:
    return min(METHOD_WIDTH, max(len(name) for name in ["method", *(row.name for row in table.rows)]))


def _least_method(table: Table, found: Layout) -> int:
    """Return the least width of the method column: compact, that of the longest piece that names are not broken in."""
    if not found.compact:
        return _method_width(table)
    pieces = [piece for row in table.rows for piece in (*_pieces(row.name), *_badge(row, True).plain.split("\n"))]
    return min(_method_width(table), max(COMPACT_METHOD, *map(len, pieces)))


def _unit(column: Column) -> str:
    return f"{column.unit} {column.arrow}".lstrip()


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style)
