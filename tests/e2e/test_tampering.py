"""What is done to a submission, and the level that catches it: docs/submitting.md says the same, row by row."""

import shutil
from pathlib import Path

import pytest
from forging import (
    borrowed_outputs,
    dropped_row,
    dropped_sample,
    forged_scores,
    forged_summary,
    listed_again,
    narrowed,
    own_cell,
    raised_clock,
    rewrite_record,
    swapped_outputs,
    turned_direction,
)

from effbench.store import read_store

PAGE = Path(__file__).parents[2] / "docs" / "submitting.md"


def halved_number(folder):
    rewrite_record(folder, lambda record: next(n for n in record["numbers"] if n["name"] == "gap").update(value=-9.0))


TAMPERED = {
    "a file changed after it was listed": ("schema", None),
    "a number, in the record": ("recompute", halved_number),
    "a number, where it is made of scores": ("recompute", forged_summary),
    "the level of the intervals": ("recompute", narrowed),
    "a sample, left out of the table": ("recompute", dropped_row),
    "a sample, left out of what was asked too": ("rescore", dropped_sample),
    "scores, with all that follows": ("rescore", forged_scores),
    "an output swapped for another": ("rescore", swapped_outputs),
    "which direction is better": ("rescore", turned_direction),
    "outputs borrowed of another method": ("regenerate", borrowed_outputs),
    "a raised clock": ("remeasure", raised_clock),
}
"""What the page calls it -> the level that catches it, and how it is done."""
RERUN = ("regenerate", "remeasure")


def rows_of_page():
    lines = PAGE.read_text("utf-8").partition("## What is caught where")[2].partition("\n## ")[0].splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {what: level.strip("`") for what, level, *_ in cells[1:]}


def test_the_page_names_the_level_of_every_tampering():
    of_levels = {what: level for what, level in rows_of_page().items() if not level.startswith("effbench ")}
    assert of_levels == {what: level for what, (level, _) in TAMPERED.items()}


def tampered(what, sent, store):
    """Do it, and list the files as they are then."""
    _, change = TAMPERED[what]
    folder = own_cell(sent)
    if change is None:
        (folder / "setting.json").write_text("{}")
        return
    if change is borrowed_outputs:
        other = next(cell for cell in read_store(store).cells if cell.method_id == "toy-half-steps")
        change(folder, store / "cells" / other.id)
    else:
        change(folder)
    listed_again(sent)


@pytest.mark.parametrize("what", [what for what, (level, _) in TAMPERED.items() if level not in RERUN])
def test_it_is_caught_at_that_level_and_not_before(what, sent, ran):
    tampered(what, sent, ran.cwd / "store")
    level = TAMPERED[what][0]
    result = ran("verify", str(sent), "--level", "rescore", "--json")
    assert result.code == 1
    outcomes = {outcome["level"]: outcome for outcome in result.json()}
    assert list(outcomes)[-1] == level and outcomes[level]["findings"] and not outcomes[level]["passed"]
    assert all(outcome["passed"] for name, outcome in outcomes.items() if name != level)
    said = ran("verify", str(sent), "--level", "rescore").err
    assert f"{level}: NOT PASSED" in said, "the level is named to who reads it, too"


@pytest.mark.proof
@pytest.mark.timeout(600)
@pytest.mark.parametrize("what", [what for what, (level, _) in TAMPERED.items() if level in RERUN])
def test_it_is_caught_by_who_runs_the_method_again(what, sent, ran):
    tampered(what, sent, ran.cwd / "store")
    level = TAMPERED[what][0]
    result = ran("verify", str(sent), "--level", "remeasure", "--json", timeout=500)
    assert result.code == 1
    outcomes = {outcome["level"]: outcome for outcome in result.json()}
    assert list(outcomes)[-1] == level and outcomes[level]["findings"]
    assert all(outcome["passed"] for name, outcome in outcomes.items() if name != level)


def test_a_borrowed_folder_is_not_whole(sent, ran, tmp_path):
    """Another method's folder under one's own name: its cells are not of that method."""
    manifest = (sent / "submission.yaml").read_text().replace("method: toy-momentum", "method: mine")
    (sent / "submission.yaml").write_text(manifest)
    result = ran("verify", str(sent))
    assert result.code == 1 and "is a cell of toy-momentum, not of mine" in result.err
    shutil.rmtree(tmp_path / "sent")
