"""What the self-check says of runs: hand-made answers with known misses, and the page section that it replaces."""

import pytest

from effbench.errors import BadInput
from effbench.section import replace_section
from effbench.selfcheck.planted import (
    MemoryRow,
    PlantedFindings,
    PlantedRow,
    Recovery,
    binomial_bound,
    memory_table,
    null_table,
)


@pytest.mark.parametrize("n, bound", [(40, 4), (1, 0), (20, 3), (120, 10)])
def test_the_bound_is_the_binomial_one(n, bound):
    assert binomial_bound(n, 0.05) == bound


def row(truth, answers, is_null=True):
    return PlantedRow("compute", "twin", is_null, tuple(Recovery(truth, *answer) for answer in answers))


def test_misses_are_intervals_without_the_truth():
    good, wide, wrong = (1.0, 0.99, 1.01), (1.02, 0.9, 1.2), (1.05, 1.03, 1.07)
    found = row(1.0, [good] * 35 + [wide] * 1 + [wrong] * 4)
    assert (found.misses, found.allowed) == (4, 4)
    assert not PlantedFindings((found,), (), (), ()).broken
    worse = row(1.0, [good] * 35 + [wrong] * 5)
    assert PlantedFindings((worse,), (), (), ()).broken == [
        "compute/twin: 5 of 40 intervals miss the truth, at most 4 may",
        "twins: 5 of 40 differ, at most 4 may",
    ]


def test_the_twins_of_all_tasks_are_judged_together():
    good, wrong = (1.0, 0.99, 1.01), (1.05, 1.03, 1.07)
    rows = (row(1.0, [good] * 17 + [wrong] * 3), row(1.0, [good] * 18 + [wrong] * 2))
    findings = PlantedFindings(rows, (), (), ())
    assert findings.twins == (40, 5)
    assert findings.broken == ["twins: 5 of 40 differ, at most 4 may"]
    assert "| both | twin | 40 | 5 | 4 | |" in null_table(findings)


def test_a_planted_difference_is_seen_where_the_interval_excludes_one():
    answer = Recovery(1 / 1.05, 0.95, 0.94, 0.96)
    assert answer.covers and answer.sees_difference
    assert not Recovery(1 / 1.02, 0.98, 0.95, 1.01).sees_difference


def test_tables_hold_the_counts():
    findings = PlantedFindings((row(1.0, [(1.0, 0.99, 1.01)] * 3),), (MemoryRow(64, (63.5, 64.5)),), (), ())
    assert "| compute | twin | 3 | 0 | 1 | 1.00 % |" in null_table(findings)
    assert "| 64 | 2 | 64.00 | 0.71 | 0.50 |" in memory_table(findings)


def test_a_section_is_replaced_between_its_markers_only(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- self:begin (make self) -->\nold\n<!-- self:end -->\nz\n")
    replace_section(page, "self", "new\n")
    assert page.read_text() == "a\n<!-- self:begin (make self) -->\nnew\n<!-- self:end -->\nz\n"
    with pytest.raises(BadInput, match="other"):
        replace_section(page, "other", "x")
