"""Checking a submission level by level, and keeping what was found beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from effbench import __version__
from effbench.atomic import write_bytes
from effbench.errors import StoreError
from effbench.inside import read_inside, root_of
from effbench.measure.machine import fingerprint
from effbench.submission.checking import Finding, Outcome, check_numbers, check_schema
from effbench.submission.manifest import VERIFICATION

Level = Literal["schema", "recompute", "rescore", "regenerate", "remeasure"]
SCHEMA = "effbench/verification/1"
MOST_SHOWN = 100
"""Findings of a level that are kept: whoever sees a hundred does not need the rest."""


def _rescore(path: Path) -> Outcome:
    from effbench.submission.rescoring import rescore

    return rescore(path)


def _regenerate(path: Path) -> Outcome:
    from effbench.submission.rerunning import regenerate

    return _or_finding("regenerate", regenerate, path)


def _remeasure(path: Path) -> Outcome:
    from effbench.submission.rerunning import remeasure

    return _or_finding("remeasure", remeasure, path)


def _or_finding(level: Level, check: Callable[[Path], Outcome], path: Path) -> Outcome:
    try:
        return check(path)
    except StoreError as error:
        return Outcome(level, (Finding("", str(error)),), 0)


LEVELS: Mapping[Level, Callable[[Path], Outcome]] = {
    "schema": check_schema,
    "recompute": check_numbers,
    "rescore": _rescore,
    "regenerate": _regenerate,
    "remeasure": _remeasure,
}
"""From the cheapest; each presumes those before it."""
MEANING: Mapping[Level, str] = {
    "schema": "every file is there as listed, and nothing else",
    "recompute": "every number follows from the raw parts",
    "rescore": "every score follows from the outputs that were sent in",
    "regenerate": "the method gives these scores again",
    "remeasure": "the method is as much faster here",
}


def verify(path: Path, level: Level) -> list[Outcome]:
    """Return what each level found, up to ``level`` or the first that found something wrong.

    A level that had nothing to look at (no outputs were sent in) is not passed, and those after it are tried.
    """
    found: list[Outcome] = []
    for check in list(LEVELS.values())[: list(LEVELS).index(level) + 1]:
        found.append(check(path))
        if found[-1].findings:
            break
    return found


def record_outcomes(path: Path, outcomes: Sequence[Outcome], by: str) -> None:
    """Add what was found, and by whom, to the history that stands beside a submission."""
    entry = {
        "by": by,
        "machine": fingerprint(),
        "utc": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "effbench": __version__,
        "levels": [
            {
                "level": outcome.level,
                "passed": outcome.is_passed,
                "compared": outcome.compared,
                "largest_difference": outcome.difference,
                "missing": outcome.missing,
                "notes": list(outcome.notes[:MOST_SHOWN]),
                "findings": [finding._asdict() for finding in outcome.findings[:MOST_SHOWN]],
            }
            for outcome in outcomes
        ],
    }
    content = {"schema": SCHEMA, "history": [*history_of(path), entry]}
    write_bytes(path / VERIFICATION, json.dumps(content, indent=1).encode())


def history_of(path: Path) -> list[Mapping[str, Any]]:
    """Return what was found before, the oldest first; raise ``StoreError`` where the file is damaged."""
    file = path / VERIFICATION
    try:
        content = json.loads(read_inside(file, root_of(path)))
    except FileNotFoundError:
        return []
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{file}: damaged: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("history"), list):
        raise StoreError(f"{file}: damaged: it holds no history of checks")
    return list(content["history"])
