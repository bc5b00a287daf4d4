"""A number of things in words, in the singular where it is one."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return ``1 cell`` or ``2 cells``; ``plural`` where that is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
