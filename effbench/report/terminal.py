"""Tables for a terminal: one line per cell where the width allows, else the interval under its value, else several parts.

Numbers are never cut or wrapped. A table that is too wide even with stacked intervals continues in a second part that
repeats the methods, as a printed table would.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from effbench.report.claims import LEDGER_TEXT, LEDGER_TITLE, ledger_columns
from effbench.report.columns import Column
from effbench.report.tables import Entry, Row, Table, superscript

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

PLAIN_WIDTH = 140
BETWEEN = 2
METHOD_WIDTH = 32
"""A method's name wraps beyond this many characters; a number never does."""

UNBROKEN = ("claimed", "measured here")
STATUS_STYLE = {"reproduced": "green", "not reproduced": "red"}
EXECUTION_STYLE = {"real": "green", "simulated": "yellow"}


def render_terminal(tables: Sequence[Table], width: int = PLAIN_WIDTH, colour: bool = False) -> str:
    """Return the tables as text of ``width`` columns, with ANSI colours where asked."""
    import io

    from rich.console import Console
    from rich.padding import Padding

    buffer = io.StringIO()
    console = Console(file=buffer, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    for table in tables:
        stacked, parts = layout(table, width)
        console.width = max(width, *(_width(table, indices, stacked) for indices in parts))
        console.print()
        console.print(_styled(table.title, "bold"))
        for number, indices in enumerate(parts):
            console.print(Padding(_part(table, indices, stacked), (min(number, 1), 0, 0, 0), expand=False))
        lines = [*((f"{superscript(letter)} {text}") for letter, text in table.footnotes), *table.notes]
        for line in (*table.caption, *lines):
            console.print(_styled(line, "dim"))
        if table.ledger:
            console.print()
            console.print(_styled(LEDGER_TITLE, "bold"))
            console.print(_claims(table))
            console.print(_styled(LEDGER_TEXT, "dim"))
    return "\n".join(line.rstrip() for line in buffer.getvalue().lstrip("\n").split("\n"))


def layout(table: Table, width: int) -> tuple[bool, list[list[int]]]:
    """Return (whether intervals stand under their values, column indices of each part) for a terminal of that width."""
    indices = range(len(table.columns))
    if _width(table, indices, False) <= width:
        return False, [list(indices)]
    parts: list[list[int]] = [[]]
    for index in indices:
        if parts[-1] and _width(table, [*parts[-1], index], True) > width:
            parts.append([])
        parts[-1].append(index)
    return True, parts


def _part(table: Table, indices: Sequence[int], stacked: bool) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable

    part = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    part.add_column("method", width=_method_width(table), overflow="fold")
    part.add_column("execution", no_wrap=True)
    if table.shows_where:
        part.add_column("where", no_wrap=True)
    for index in indices:
        width = _column_width(table, index, stacked) - BETWEEN
        part.add_column(_heading(table.columns[index]), justify="right", vertical="top", width=width)
    for row in table.rows:
        fixed = [_styled(row.name, "bold" if row.is_reference else ""), _badge(row, stacked)]
        where = [_styled(row.where, "")] if table.shows_where else []
        part.add_row(*fixed, *where, *(_entry_text(row.entries[index], stacked) for index in indices))
    return part


def _claims(table: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable

    headings, rows = ledger_columns(table.ledger)
    part = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for heading in headings:
        part.add_column(heading, overflow="fold", vertical="top", no_wrap=heading in UNBROKEN)
    for row in rows:
        part.add_row(*(_styled(text, STATUS_STYLE.get(text, "")) for text in row))
    return part


def _heading(column: Column) -> Text:
    from rich.text import Text

    return Text(column.label).append(f"\n{_unit(column)}", "dim")


def _entry_text(entry: Entry, stacked: bool) -> Text:
    from rich.text import Text

    head, *tail = _lines(entry, stacked=True)
    text = Text(head, "" if entry.value and not entry.is_grey else "dim")
    for line in tail:
        text.append("\n" if stacked else " ").append(line, "dim")
    return text


def _badge(row: Row, stacked: bool) -> Text:
    word = row.execution.replace(" (", "\n(", 1) if stacked else row.execution
    return _styled(word, EXECUTION_STYLE.get(row.execution, "red"))


def _lines(entry: Entry, stacked: bool) -> list[str]:
    """Return the entry with its marks: value and interval (or reason) with the rank as two lines, or as one."""
    value = entry.head + superscript(entry.marks)
    below = entry.text.removeprefix(value).strip()
    return [value, below] if stacked and below else [entry.text]


def _column_width(table: Table, index: int, stacked: bool) -> int:
    """Return the width of a column: its widest entry, or its heading on two lines; with the space after it."""
    column = table.columns[index]
    lines = [line for row in table.rows for line in _lines(row.entries[index], stacked)]
    return max(_two_lines(column.label), *map(len, [_unit(column), *lines])) + BETWEEN


def _two_lines(label: str) -> int:
    """Return the least width in which a heading stands on at most two lines."""
    words = label.split()
    breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words) + 1)]
    return min((max(map(len, pair)) for pair in breaks), default=0)


def _width(table: Table, indices: Sequence[int], stacked: bool) -> int:
    """Return the width of a part with these columns, the ones that name the row included."""
    badges = [line for row in table.rows for line in _badge(row, stacked).plain.split("\n")]
    where = [row.where for row in table.rows] if table.shows_where else []
    width = _method_width(table) + BETWEEN + max(map(len, ["execution", *badges])) + BETWEEN
    width += max(map(len, ["where", *where])) + BETWEEN if where else 0
    return width + sum(_column_width(table, index, stacked) for index in indices)


def _method_width(table: Table) -> int:
    return min(METHOD_WIDTH, max(len(name) for name in ["method", *(row.name for row in table.rows)]))


def _unit(column: Column) -> str:
    return f"{column.unit} {column.arrow}".lstrip()


def _styled(text: str, style: str) -> Text:
    from rich.text import Text

    return Text(text, style)
