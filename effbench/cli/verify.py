"""``effbench verify``: whether what somebody sent in is what it says, level by level."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli.saying import say, tell
from effbench.cli.stores import WHERE
from effbench.counted import counted
from effbench.verification import Level

if TYPE_CHECKING:
    from effbench.submission.checking import LevelOutcome

NOT_PASSED = 1
"""Exit code where a level is not passed."""
SHOWN = 20
"""Findings of a level that are printed; the history beside the submission has more."""


def verify(
    submission: Annotated[
        Path, typer.Argument(help=f"Submission that `effbench submit` wrote: {WHERE}.", show_default=False)
    ],
    level: Annotated[
        Level,
        typer.Option(help="How far to go: rescore runs the task's code, the last two the method's."),
    ] = "recompute",
    by: Annotated[
        str, typer.Option(help="Who checks: kept beside the submission with what was found.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check a submission: its files, numbers from raw parts, scores from outputs; then run the method again."""
    from effbench.hub.names import refuse_hub
    from effbench.hub.stores import local_store
    from effbench.submission.verifying import keep_outcomes
    from effbench.submission.verifying import verify as verify_levels

    if by:
        refuse_hub(submission, "leave --by out, or name the folder that was sent in")
    outcomes = verify_levels(local_store(submission), level)
    if by and outcomes[0].is_passed:
        keep_outcomes(submission, outcomes, by)
    if as_json:
        told = [
            {
                **outcome._asdict(),
                "difference": outcome.difference if math.isfinite(outcome.difference) else None,
                "findings": [finding._asdict() for finding in outcome.findings],
                "passed": outcome.is_passed,
            }
            for outcome in outcomes
        ]
        print(json.dumps(told))
        return 0 if all(outcome.is_passed for outcome in outcomes) else NOT_PASSED
    return show_outcomes(outcomes)


def show_outcomes(outcomes: Sequence[LevelOutcome]) -> int:
    """Print what each level found and return the exit code."""
    from effbench.verification import MEANING

    for outcome in outcomes:
        meaning = MEANING[outcome.level]
        if outcome.is_passed:
            near = f", the largest difference {outcome.difference:.1e}" if outcome.difference else ""
            say(f"{outcome.level}: passed: {meaning} ({outcome.compared} compared{near})")
            for note in outcome.notes[:SHOWN]:
                say(f"  {note}")
            continue
        why = outcome.missing or counted(len(outcome.findings), "finding")
        tell(f"{outcome.level}: NOT PASSED ({why}): {meaning}?")
        for finding in outcome.findings[:SHOWN]:
            tell(f"  {': '.join(filter(None, finding))}")
    return 0 if all(outcome.is_passed for outcome in outcomes) else NOT_PASSED
