"""Rows of text in columns, for what ``effbench describe`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def aligned(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> Iterator[str]:
    """Yield rows of equal length as lines in which columns begin at one place."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        yield indent + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip()
