"""Lines that a command prints: names and messages of others stand in them as text that a terminal shows and never obeys."""

from __future__ import annotations

import sys

from effbench.legible import legible_line


def say(text: str) -> None:
    """Print one line on stdout."""
    print(legible_line(text))


def tell(text: str) -> None:
    """Print one line on stderr."""
    print(legible_line(text), file=sys.stderr)
