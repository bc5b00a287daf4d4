"""A number of things in words, in the singular where it is one."""

from __future__ import annotations

from collections.abc import Sequence

MOST_NAMED = 20
"""Names that a sentence lists: about three lines of them. Whoever needs every one of a thousand has the table."""


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 cell`` or ``2 cells``; ``plural`` where that is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def listed(names: Sequence[str], between: str = ", ") -> str:
    """Return names with commas between them, of many the first ``MOST_NAMED`` and how many more there are."""
    more = len(names) - MOST_NAMED
    return between.join(names) if more <= 0 else f"{between.join(names[:MOST_NAMED])} and {more:,} more"
