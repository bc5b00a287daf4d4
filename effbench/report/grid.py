"""Rows of styled text in columns of given widths, joined as plain strings: a table of ten thousand rows in a second.

Rich lays out any table, and takes some milliseconds a row for it. Here widths are known, and only text that is too long for
its column is wrapped, by rich.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console


class Span(NamedTuple):
    """Text in one style, as rich names styles (``""``, ``bold dim``); it holds no line break."""

    text: str
    style: str = ""


Line = Sequence[Span]
Block = Sequence[Line]
"""The lines of one cell of a grid."""


class GridColumn(NamedTuple):
    """A column of so many characters; its text stands at the right end or at the left."""

    width: int
    is_right: bool = False


class Grid:
    """Lays out rows for one console: its colours, if any, are used."""

    def __init__(self, console: Console, columns: Sequence[GridColumn], between: int) -> None:
        self._console, self._columns, self._between = console, columns, between
        self._inks: dict[str, tuple[str, str]] = {"": ("", "")}

    def lines(self, header: Sequence[Block], rows: Iterable[Sequence[Block]]) -> Iterator[str]:
        """Yield the header, which stands on the rule below it, the rule, and the rows, which begin at their tops."""
        height = max(map(len, header))
        yield from self._row([[*[[]] * (height - len(block)), *block] for block in header])
        yield "─" * (sum(column.width for column in self._columns) + self._between * (len(self._columns) - 1))
        for row in rows:
            yield from self._row(row)

    def wrapped(self, text: str, width: int, style: str = "") -> Block:
        """Return text of one style as lines of at most that width, broken between words or, where one is longer, in it."""
        lines = text.split("\n")
        if not all(line.isprintable() and line.isascii() and len(line) <= width for line in lines):
            from rich.text import Text

            lines = [line.plain for line in Text(text).wrap(self._console, width, overflow="fold", tab_size=8)]
        return [[Span(line.rstrip(), style)] for line in lines]

    def _row(self, row: Sequence[Block]) -> Iterator[str]:
        gap = " " * self._between
        for at in range(max(map(len, row))):
            parts = [
                self._cell(block[at] if at < len(block) else (), column) for block, column in zip(row, self._columns)
            ]
            yield gap.join(parts)

    def _cell(self, line: Line, column: GridColumn) -> str:
        room = " " * (column.width - sum(cells_of(span.text) for span in line))
        text = "".join([self._inked(span) if span.style else span.text for span in line])
        return room + text if column.is_right else text + room

    def _inked(self, span: Span) -> str:
        """Return text between the codes that rich puts around its style on this console."""
        if span.style not in self._inks:
            with self._console.capture() as captured:
                self._console.print("x", style=span.style, end="")
            before, _, after = captured.get().partition("x")
            self._inks[span.style] = before, after
        before, after = self._inks[span.style]
        return f"{before}{span.text}{after}"


def cells_of(text: str) -> int:
    """Return how many characters wide a terminal shows a text."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)
