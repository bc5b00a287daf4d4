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
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from effbench.counted import counted
from effbench.report.claims import LEDGER_TEXT, LEDGER_TITLE, Ledger, ledger_columns
from effbench.report.columns import Column
from effbench.report.entries import TableEntry, superscript
from effbench.report.grid import Block, Grid, GridColumn, Span, cells_of
from effbench.report.tables import Table, TableRow

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

PLAIN_WIDTH = 140
"""Characters where there is no terminal: a headline of the usual tasks with its intervals in one line per method."""

METHOD_WIDTH = 32
"""A method's name wraps beyond this many characters; a number never does."""

COMPACT_METHOD = 10
"""The least width of a compact method column."""

MOST_CLAIMS = 200
"""Claims that a terminal lists under all tables together, some screens; ``--claims METHOD`` lists all of one method."""

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

    buffer = io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    claims_left = MOST_CLAIMS
    for table in tables:
        widths = _Widths(table)
        found = _layout(widths, width)
        console.width = max(width, *(widths.of(indices, found) for indices in found.parts))
        console.print()
        console.print(_styled(table.title, "bold"))
        for number, indices in enumerate(found.parts):
            buffer.write("\n" * min(number, 1))
            buffer.writelines(f"{line}\n" for line in _part(console, widths, indices, found))
        for line in (*table.under, *_more(table, found)):
            console.print(_styled(line, "dim"))
        claims_left -= _print_claims(console, table, width, claims_left)
    return "\n".join(line.rstrip() for line in buffer.getvalue().lstrip("\n").split("\n"))


def _print_claims(console: Console, table: Table, width: int, most: int) -> int:
    """Print the claims under a table, at most so many of them, and return how many."""
    ledger = table.first_claims(most)
    if ledger:
        console.print()
        console.print(_styled(LEDGER_TITLE, "bold"))
        for block in _claims(ledger, width):
            console.print(block)
        console.print(_styled(LEDGER_TEXT, "dim"))
    if table.claim_count > len(ledger):
        more = f"{counted(table.claim_count - len(ledger), 'more claim')}: effbench report STORE --claims METHOD lists them"
        console.print(_styled(more, "dim"))
    return len(ledger)


def layout(table: Table, width: int) -> Layout:
    """Return the widest layout of a table that fits a terminal of that width."""
    return _layout(_Widths(table), width)


def _layout(widths: _Widths, width: int) -> Layout:
    indices = list(range(len(widths.table.columns)))
    for stacked, compact in ((False, False), (True, False), (True, True)):
        found = Layout(stacked, compact, [indices], [])
        if widths.of(indices, found) <= width:
            return found
    if widths.table.is_headline:
        kept = list(indices)
        while len(kept) > 1 and widths.of(kept, found) > width:
            kept.pop()
        return found._replace(parts=[kept], left_out=indices[len(kept) :])
    parts: list[list[int]] = [[]]
    for index in indices:
        if parts[-1] and widths.of([*parts[-1], index], found) > width:
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


def _part(console: Console, widths: _Widths, indices: Sequence[int], found: Layout) -> Iterator[str]:
    """Yield the lines of a part: the columns that name the row, and those at ``indices``."""
    table = widths.table
    least = widths.least_method(found)
    spare = console.width - (widths.of(indices, found) - least)
    method_width = min(widths.method, max(spare, least))
    columns = [GridColumn(method_width)]
    columns += [] if found.compact else [GridColumn(widths.execution(found.stacked))]
    columns += [GridColumn(widths.where)] if table.shows_where else []
    columns += [GridColumn(widths.column(index, found), is_right=True) for index in indices]
    grid = Grid(console, columns, found.between)

    def row_of(row: TableRow) -> list[Block]:
        look, badge = "bold" if row.is_reference else "", _badge(row)
        blocks: list[Block] = [grid.wrapped(row.name, method_width, look)]
        if found.compact:
            blocks = [[*grid.wrapped(broken(row.name, method_width), method_width, look), *_badge_lines(badge, True)]]
        else:
            blocks.append(_badge_lines(badge, found.stacked))
        if table.shows_where:
            blocks.append(grid.wrapped(row.where, widths.where))
        return blocks + [_entry_lines(row.entries[index], found) for index in indices]

    header: list[Block] = [[[Span("method", "bold")]]]
    header += [] if found.compact else [[[Span("execution", "bold")]]]
    header += [[[Span("where", "bold")]]] if table.shows_where else []
    for index in indices:
        column = table.columns[index]
        label = grid.wrapped(column.label, widths.column(index, found), "bold")
        header.append([*label, [Span(_unit(column), "bold dim")]])
    return grid.lines(header, map(row_of, table.rows))


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


def _claims(ledger: Ledger, width: int) -> Sequence[RichTable | Text]:
    """Return the claims as a table or, where the width would break words or hide columns, as a few lines each."""
    from rich import box
    from rich.table import Table as RichTable

    headings, rows = ledger_columns(ledger)
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


def _entry_lines(entry: TableEntry, found: Layout) -> Block:
    """Return value, interval (or reason) and rank in one line, or stacked: value and rank, and below the interval."""
    first = [Span(entry.head + superscript(entry.marks), "" if entry.value and not entry.is_grey else "dim")]
    below = entry.short_tail.replace(", ", ",") if found.compact else entry.tail
    place = [Span(" "), Span(entry.place, "dim")] if entry.place else []
    if found.stacked:
        return [[*first, *place], [Span(below, "dim")]] if below else [[*first, *place]]
    return [[*first, Span(" "), Span(below, "dim"), *place]] if below else [[*first, *place]]


def _entry_width(entry: TableEntry, found: Layout) -> int:
    """Return the width of ``_entry_lines``; of a letter raised that is 1."""
    first = cells_of(entry.head) + len(entry.marks)
    below = len(entry.short_tail) - entry.short_tail.count(", ") if found.compact else len(entry.tail)
    place = 1 + len(entry.place) if entry.place else 0
    return max(first + place, below) if found.stacked else first + (1 + below if below else 0) + place


def _badge(row: TableRow) -> Span:
    return Span(row.execution, EXECUTION_STYLE.get(row.execution, "red"))


def _badge_lines(badge: Span, stacked: bool) -> Block:
    """Return a badge, a failure's reason on a line of its own where stacked."""
    word, bracket, reason = badge.text.partition(" (") if stacked else (badge.text, "", "")
    return [[Span(word, badge.style)], *([[Span(f"({reason}", badge.style)]] if bracket else [])]


class _Widths:
    """How wide the columns of a table must be, each looked at once."""

    def __init__(self, table: Table) -> None:
        self.table = table
        names = [row.name for row in table.rows]
        self.method = min(METHOD_WIDTH, max(len(name) for name in ["method", *names]))
        pieces = {piece for name in names for piece in _pieces(name)}
        badges = {row.execution for row in table.rows}
        stacked = {piece for badge in badges for piece in badge.replace(" (", "\n(", 1).split("\n")}
        self._execution = {False: max(map(len, ["execution", *badges])), True: max(map(len, ["execution", *stacked]))}
        self._piece = max(map(len, [*pieces, *stacked]), default=0)
        places = {"where", *(row.where for row in table.rows)}
        self.where = max(cells_of(part) for text in places for part in text.split("\n"))
        self._columns: dict[tuple[int, bool, bool], int] = {}

    def execution(self, stacked: bool) -> int:
        """Return the width of the execution column, a failure's reason below it where stacked."""
        return self._execution[stacked]

    def column(self, index: int, found: Layout) -> int:
        """Return the width of a column: its widest entry, or its heading on two lines."""
        key = index, found.stacked, found.compact
        if key not in self._columns:
            column = self.table.columns[index]
            widths = (_entry_width(row.entries[index], found) for row in self.table.rows)
            self._columns[key] = max(_two_lines(column.label), len(_unit(column)), *widths)
        return self._columns[key]

    def of(self, indices: Sequence[int], found: Layout) -> int:
        """Return the least width of a part with these columns, the ones that name the row included."""
        widths = [self.least_method(found)]
        widths += [] if found.compact else [self.execution(found.stacked)]
        widths += [self.where] if self.table.shows_where else []
        widths += [self.column(index, found) for index in indices]
        return sum(widths) + found.between * (len(widths) - 1)

    def least_method(self, found: Layout) -> int:
        """Return the least width of the method column: compact, that of the longest piece that names are not broken in."""
        return min(self.method, max(COMPACT_METHOD, self._piece)) if found.compact else self.method


def _two_lines(label: str) -> int:
    """Return the least width in which a heading stands on at most two lines."""
    words = label.split()
    breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words) + 1)]
    return min((max(map(len, pair)) for pair in breaks), default=0)


def _unit(column: Column) -> str:
    return f"{column.unit} {column.arrow}".lstrip()


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style)
