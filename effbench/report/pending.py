"""What a store still lacks: a run may be writing to it, or was interrupted."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.counted import counted, listed


def pending_text(left: Sequence[str], finished: int) -> str:
    """Return how many cells are not finished, and which (by name); ``""`` where all are."""
    if not left:
        return ""
    are = "is" if len(left) == 1 else "are"
    return f"{len(left)} of {counted(len(left) + finished, 'cell')} {are} not finished yet: {listed(left)}"
