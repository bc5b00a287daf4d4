"""Checking a submission level by level."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from effbench import __version__
from effbench.errors import StoreError
from effbench.submission.checking import Finding, LevelOutcome, check_numbers, check_schema
from effbench.verification import CheckedLevel, Level, Verification, add_to_history

MOST_KEPT = 100
"""Findings of a level that are kept: whoever sees a hundred does not need the rest."""


def _rescore(path: Path) -> LevelOutcome:
    from effbench.submission.rescoring import rescore

    return rescore(path)


def _regenerate(path: Path) -> LevelOutcome:
    from effbench.submission.rerunning import regenerate

    return regenerate(path)


def _remeasure(path: Path) -> LevelOutcome:
    from effbench.submission.rerunning import remeasure

    return remeasure(path)


LEVELS: Mapping[Level, Callable[[Path], LevelOutcome]] = {
    "schema": check_schema,
    "recompute": check_numbers,
    "rescore": _rescore,
    "regenerate": _regenerate,
    "remeasure": _remeasure,
}
"""From the cheapest; each presumes those before it."""


def verify(path: Path, level: Level) -> list[LevelOutcome]:
    """Return what each level found, up to ``level`` or the first that found something wrong.

    A level that had nothing to look at (no outputs were sent in) is not passed, and those after it are tried.
    """
    found: list[LevelOutcome] = []
    for name in list(LEVELS)[: list(LEVELS).index(level) + 1]:
        try:
            found.append(LEVELS[name](path))
        except StoreError as error:
            found.append(LevelOutcome(name, (Finding("", str(error)),), 0))
        if found[-1].findings:
            break
        if not found[-1].compared and not found[-1].missing:
            found[-1] = found[-1]._replace(missing="there was nothing to compare")
    return found


def keep_outcomes(path: Path, outcomes: Sequence[LevelOutcome], by: str) -> None:
    """Add what was found, and by whom, to the history that stands beside a submission."""
    from effbench.measure.machine import fingerprint  # reads the machine, which no check needs

    levels = tuple(
        CheckedLevel(
            level=outcome.level,
            passed=outcome.is_passed,
            compared=outcome.compared,
            largest_difference=outcome.difference if math.isfinite(outcome.difference) else None,
            missing=outcome.missing,
            notes=outcome.notes[:MOST_KEPT],
            findings=outcome.findings[:MOST_KEPT],
        )
        for outcome in outcomes
    )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    add_to_history(path, Verification(by=by, machine=fingerprint(), utc=now, effbench=__version__, levels=levels))
