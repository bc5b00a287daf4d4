"""What is said of who checked a cell: "verified" only where somebody else made its numbers again."""

from __future__ import annotations

from typing import Any

import pytest

from effbench.report.checked import check_rows, standing_sentence
from effbench.report.standing import Standing
from effbench.verification import CheckedLevel, Level, Verification


def check(by: str, **passed: bool) -> Verification:
    """A check that tried some levels, name -> whether it passed."""
    levels = tuple(level(name, found) for name, found in passed.items())  # type: ignore[arg-type]
    return Verification(by=by, machine="0123456789ab", utc="2026-11-29T10:00:00Z", effbench="0.1.0", levels=levels)


def level(name: Level, passed: bool) -> CheckedLevel:
    findings = () if passed else (("t2i/a", "the speed-up is another"),)
    return CheckedLevel(
        level=name, passed=passed, compared=7, largest_difference=0.25, missing="", notes=("a note",), findings=findings
    )


@pytest.mark.parametrize(
    ("history", "beginning"),
    [
        ([], "Self-reported: "),
        ([check("eve", schema=True)], "Self-reported: "),
        ([check("eve", schema=False, recompute=True)], "Self-reported: "),
        ([check("eve", schema=True, recompute=False)], "Self-reported: "),
        ([check("eve", schema=True, recompute=True)], "Verified up to level recompute by eve: every number follows"),
        (
            [check("eve", schema=True, recompute=True, rescore=True), check("bob", schema=True, recompute=True)],
            "Verified up to level rescore by eve: ",
        ),
        (
            [check("eve", schema=True, recompute=True), check("bob", schema=True, recompute=True, rescore=False)],
            "Verified up to level recompute by eve and bob: ",
        ),
    ],
)
def test_verified_is_said_of_numbers_that_somebody_made_again(history: Any, beginning: str) -> None:
    assert standing_sentence(Standing("alice", True, tuple(history))).startswith(beginning)
    theirs = tuple(one.model_copy(update={"by": "Alice"}) for one in history)
    assert standing_sentence(Standing("alice", True, theirs)).startswith("Self-reported: "), (
        "of the sender's own checks"
    )


def test_a_look_at_the_files_alone_is_said_to_be_that() -> None:
    assert "no number was made again" in standing_sentence(Standing(checks=(check("eve", schema=True),)))
    assert "looked" not in standing_sentence(Standing())


def test_every_level_is_a_row_with_what_was_found() -> None:
    rows = check_rows([check("eve", schema=True, recompute=False)])
    assert [row[4] for row in rows] == ["schema", "recompute"]
    assert rows[0][6:] == ("passed", "7, largest difference 0.25", "a note")
    assert rows[1][6:] == ("NOT passed", "7, largest difference 0.25", "t2i/a: the speed-up is another; a note")
