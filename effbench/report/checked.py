"""Who checked the numbers of a store, in words, by the history that lies beside it.

"Verified" is said only where somebody else made the numbers again; everything else is self-reported, whatever a record says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from effbench.report.standing import Standing
from effbench.verification import MEANING, CheckedLevel, Level, Verification

LEVELS: tuple[Level, ...] = get_args(Level)
"""From the cheapest to the dearest."""
RECOMPUTED = LEVELS.index("recompute")
"""From this level on numbers were made again; before it only files were looked at."""

CHECK_HEADINGS = ("by", "date", "machine", "EffBench", "level", "asks whether", "outcome", "compared", "found")
"""Of the table of all checks."""


def standing_sentence(standing: Standing) -> str:
    """Return in a sentence how far anybody but the sender made these numbers again; it says so plainly where nobody did."""
    history = standing.others
    reached = max(map(_reached, history), default=-1)
    if reached >= RECOMPUTED:
        level = LEVELS[reached]
        who = " and ".join(dict.fromkeys(check.by for check in history if _reached(check) == reached))
        return f"Verified up to level {level} by {who}: {MEANING[level]}."
    looked = " Somebody looked at it, and no number was made again." if history else ""
    return f"Self-reported: nobody but whoever measured these numbers says that they are so.{looked}"


def _reached(check: Verification) -> int:
    """Return the place of the highest level that a check passed, -1 where it did not pass the first it tried."""
    passed = -1
    for level in check.levels:
        if not level.passed:
            break
        passed = LEVELS.index(level.level)
    return passed


def check_rows(history: Sequence[Verification]) -> tuple[tuple[str, ...], ...]:
    """Return every level of every check as text, under ``CHECK_HEADINGS``."""
    return tuple(
        (check.by, check.utc[:10], check.machine, check.effbench, level.level, MEANING[level.level], *_outcome(level))
        for check in history
        for level in check.levels
    )


def _outcome(level: CheckedLevel) -> tuple[str, str, str]:
    said = "passed" if level.passed else "nothing could be compared" if level.missing else "NOT passed"
    far = "" if level.largest_difference is None else f", largest difference {level.largest_difference:.3g}"
    found = [level.missing, *(f"{where}: {what}" for where, what in level.findings), *level.notes]
    return said, f"{level.compared}{far}", "; ".join(filter(None, found))
