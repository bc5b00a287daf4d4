"""Who sent results in and who made them again: what may be called more than self-reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from effbench.report.formats import render
from effbench.report.standing import Standing, store_standing
from effbench.report.summarise import summarise_stores, where_of
from effbench.report.tables import table_of
from effbench.report.trust import standing_lines
from effbench.verification import CheckedLevel, Verification, add_to_history


def level(name: Any, passed: bool = True, findings: tuple[tuple[str, str], ...] = ()) -> CheckedLevel:
    return CheckedLevel(
        level=name, passed=passed, compared=1, largest_difference=0.0, missing="", notes=(), findings=findings
    )


def check(by: str, *levels: CheckedLevel) -> Verification:
    return Verification(by=by, machine="feedc0ffee12", utc="2026-11-29T10:00:00Z", effbench="0.1.0", levels=levels)


UP_TO = ("schema", "recompute", "rescore")


@pytest.mark.parametrize(
    ("checks", "text"),
    [
        ((), "self-reported"),
        ((check("alice", *map(level, UP_TO)),), "self-reported"),
        ((check(" Alice ", *map(level, UP_TO)),), "self-reported"),
        ((check("carol", level("schema")),), "self-reported"),
        ((check("carol", level("schema"), level("recompute")),), "recomputed by carol"),
        ((check("carol", *map(level, UP_TO)), check("dave", level("schema"))), "rescored by carol"),
        ((check("carol", *map(level, UP_TO)), check("carol", *map(level, UP_TO[:2]))), "recomputed by carol"),
        (
            (check("carol", *map(level, UP_TO)), check("dave", level("remeasure", False, (("a", "slower"),)))),
            "rescored by carol; remeasure did not pass for dave",
        ),
    ],
)
def test_only_what_somebody_else_made_again_counts(checks: tuple[Verification, ...], text: str) -> None:
    assert Standing("alice", True, checks).text == text


def sent(folder: Path, by: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "submission.yaml").write_text(f"schema: effbench/submission/1\nby: {by}\n")
    return folder


def test_it_is_read_from_the_folder_and_damage_is_said(tmp_path: Path) -> None:
    assert store_standing(tmp_path) == Standing()
    folder = sent(tmp_path / "a", "alice")
    assert store_standing(folder) == Standing("alice", True)
    add_to_history(folder, check("carol", *map(level, UP_TO)))
    assert store_standing(folder).text == "rescored by carol"
    (folder / "verification.json").write_text("{")
    assert "verification.json: damaged" in store_standing(folder).problem
    (folder / "submission.yaml").write_text("by: [1]\n")
    assert "submission.yaml: damaged" in store_standing(folder).problem


def test_two_hands_stand_beside_one_another_with_their_names(make: Any, tmp_path: Path) -> None:
    folders = {by: sent(tmp_path / by, by) for by in ("alice", "bob")}
    add_to_history(folders["alice"], check("carol", *map(level, UP_TO)))
    views = []
    for by, folder in folders.items():  # what a suite calls a task is its own affair
        cells = make.cell("ref"), make.cell("a", order=1)
        views.append(make.view(*(c.model_copy(update={"task_id": f"task-of-{by}"}) for c in cells), path=folder))
    (workload,) = summarise_stores(views).workloads
    assert workload.title == "t2i"
    wheres = [where_of(workload, cell) for cell in workload.cells if cell.method_id == "a"]
    assert [where.split()[:2] for where in wheres] == [["by", "alice"], ["by", "bob"]]
    assert standing_lines(workload.cells, workload.standing) == [
        "Rescored by carol: a of alice.",
        "Self-reported: a of bob.",
    ]
    assert "Self-reported: a of bob." in table_of(workload).caption
    header, *lines = render(summarise_stores(views), "csv").splitlines()
    assert header.endswith(",by,verification")
    assert {line.rsplit(",", 2)[1] for line in lines} == {"alice", "bob"}
    assert {line.rsplit(",", 1)[1] for line in lines} == {"rescored by carol", "self-reported"}


def test_a_store_of_ones_own_says_nothing_of_it(make: Any) -> None:
    summary = summarise_stores([make.view(make.cell("ref"))])
    (workload,) = summary.workloads
    assert standing_lines(workload.cells, workload.standing) == []
    assert {row["verification"] for row in summary.numbers} == {""}
