"""Slices and facts: asked for by name, never among what was measured on all samples."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.cli.report import report
from effbench.errors import BadInput
from effbench.report.columns import check_columns, columns_of, label_of, of_slice, primary_of, slices_of
from effbench.report.compare import compare
from effbench.report.formats import render
from effbench.report.ranks import is_ranked
from effbench.report.summarise import Summary, summarise
from effbench.report.tables import table_of
from effbench.stats.paired import paired_difference

IDS = [f"s{i:03d}" for i in range(30)]
SPECIES = {sample: "print" if i < 18 else "replay_video" for i, sample in enumerate(IDS)}
PRINT = "species=print"


def numbers_of(make: Any, share: float) -> list[Any]:
    sliced = {"slice": PRINT, "axis": "quality", "primary": True, "ci_method": "bootstrap_percentile", "n": 18}
    fact = {
        "axis": "facts",
        "unit": "bit",
        "higher_is_better": False,
        "ci_method": "computed",
        "n": 1,
        "primary": False,
    }
    return [
        make.number("accuracy", share, share - 0.1, share + 0.1, primary=True, unit="share"),
        make.number(f"accuracy[{PRINT}]", share + 0.05, share, share + 0.1, unit="share", **sliced),
        make.number(f"error_rate[{PRINT}]", 0.2, 0.1, 0.3, **sliced | {"primary": False}),
        make.number("speedup", 1.0, unit="x"),
        make.number("mean_bits", 4.25, **fact),
    ]


@pytest.fixture
def summary(make: Any) -> Summary:
    cells = make.cell("ref", numbers_of(make, 0.7)), make.cell("a", numbers_of(make, 0.8), 1)
    return summarise(make.view(*cells))


def names(columns: Any) -> list[str]:
    return [column.name for column in columns]


def test_a_table_shows_what_is_not_sliced_and_was_measured(summary: Summary) -> None:
    (workload,) = summary.workloads
    assert names(columns_of(workload)) == ["accuracy", "speedup"]
    assert names(columns_of(workload, ["all"])) == ["accuracy", "speedup"]
    assert names(columns_of(workload, ["quality"])) == ["accuracy"]
    table = table_of(workload)
    assert table.more == 0 and table.apart == ("slices", "facts")
    assert "Also recorded: effbench report STORE --columns slices,facts." in render(summary, "table")
    assert table_of(workload, [PRINT, "facts"]).apart == ()
    assert primary_of(workload, "quality").name == "accuracy"
    sliced = next(number for number in workload.cells[0].numbers if number.slice)
    assert sliced.primary and not is_ranked(sliced)


def test_slices_are_asked_for_by_name_by_slice_or_all_together(summary: Summary) -> None:
    (workload,) = summary.workloads
    both = [f"accuracy[{PRINT}]", f"error_rate[{PRINT}]"]
    assert names(columns_of(workload, [both[0]])) == both[:1]
    assert names(columns_of(workload, ["slices"])) == names(columns_of(workload, [PRINT])) == both
    assert slices_of(workload) == (PRINT,)
    assert of_slice(workload, PRINT) == (PRINT, "speedup")
    assert [c.label for c in columns_of(workload, [PRINT])] == [f"accuracy [{PRINT}]", f"error rate [{PRINT}]"]
    assert label_of("top1[kind=a_b@c]", "share", "quality") == "top1 [kind=a_b@c]"
    with pytest.raises(BadInput, match=r"unknown number 'species=prin'; did you mean 'species=print'\?"):
        check_columns(["species=prin"], summary.workloads)


def test_facts_stand_apart_and_say_that_nobody_measured_them(summary: Summary) -> None:
    (workload,) = summary.workloads
    assert "mean_bits" not in names(columns_of(workload, ["all"]))
    table = table_of(workload, ["headline", "facts"])
    assert names(table.columns)[-1] == "mean_bits"
    assert [text for _, text in table.footnotes] == ["computed by the method about itself, not measured"]
    assert all(row.entries[-1].marks == "a" and row.entries[-1].value == "4.250" for row in table.rows)
    assert "computed" not in table.caption[-1]
    assert all(not entry.marks for row in table.rows for entry in row.entries[:-1])


def test_exporters_say_the_slice_and_how_a_number_came_about(summary: Summary) -> None:
    rows = list(csv.DictReader(io.StringIO(render(summary, "csv"))))
    found = {row["name"]: row for row in rows if row["method"] == "a"}
    assert (found[f"accuracy[{PRINT}]"]["slice"], found["accuracy"]["slice"]) == (PRINT, "")
    assert (found["mean_bits"]["axis"], found["mean_bits"]["ci_method"]) == ("facts", "computed")
    assert json.loads(render(summary, "json"))["numbers"][1]["slice"] == PRINT


def test_commas_in_a_class_do_not_part_the_names_of_columns(
    make: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "accuracy[class=cat, tabby]"
    numbers = [make.number("accuracy", 0.5), make.number(name, 0.25, slice="class=cat, tabby")]
    make.raw_store(tmp_path, make.Raw(make.cell("ref", numbers)))
    report(tmp_path, columns=f"{name},accuracy", format_name="md")
    header = capsys.readouterr().out.splitlines()[2]
    assert header.index("cat, tabby") < header.rindex("accuracy ")


def test_a_slice_is_compared_on_its_samples_alone(make: Any, tmp_path: Path) -> None:
    theirs = np.random.default_rng(1).normal(0.5, 0.1, 30)
    # Better by about 0.2 on prints, worse by as much on replays: together nothing differs.
    shift = np.array([0.2 if SPECIES[name] == "print" else -0.3 for name in IDS])
    ours = theirs + shift + np.random.default_rng(2).normal(0, 0.02, 30)

    def member(name: str, order: int, scores: Any) -> Any:
        within = np.array([SPECIES[sample] == "print" for sample in IDS])
        sliced = {"slice": PRINT, "axis": "quality", "primary": False, "ci_method": "bootstrap_percentile", "n": 18}
        numbers = [
            make.number("accuracy", float(scores.mean()), primary=True),
            make.number(f"accuracy[{PRINT}]", float(scores[within].mean()), **sliced),
        ]
        cell = make.cell(name, numbers, order, seeds=(0,), n_samples=30)
        return make.Raw(cell, {"accuracy": scores}, samples=IDS, slices={"species": SPECIES})

    view = make.raw_store(tmp_path, member("ref", 0, theirs), member("a", 1, ours))
    (plain,) = compare(view, "a", "ref").rows  # the usual numbers are of all samples
    assert (plain.number, plain.n) == ("accuracy", 30) and abs(plain.value) < 0.02 and plain.p > 0.5
    (row,) = compare(view, "a", "ref", metrics=[f"accuracy[{PRINT}]"]).rows
    known = paired_difference(ours[:18], theirs[:18], clusters=IDS[:18])
    assert (row.n, row.units, row.p) == (18, "samples", known.p)
    assert (row.value, row.ci_low, row.ci_high) == pytest.approx((known.value, *known.interval))


def test_a_slice_of_grouped_samples_counts_its_groups(make: Any, tmp_path: Path) -> None:
    groups = {sample: f"identity{i % 9}" for i, sample in enumerate(IDS)}
    theirs = np.random.default_rng(3).normal(0.5, 0.1, 30)
    ours = theirs + np.random.default_rng(4).normal(0.05, 0.02, 30)

    def member(name: str, order: int, scores: Any) -> Any:
        sliced = {"slice": PRINT, "axis": "quality", "primary": False, "ci_method": "bootstrap_percentile", "n": 9}
        number = make.number(f"accuracy[{PRINT}]", float(scores[:18].mean()), units="groups", **sliced)
        cell = make.cell(name, [number], order, seeds=(0,), n_samples=30, n_groups=9)
        return make.Raw(cell, {"accuracy": scores}, samples=IDS, slices={"species": SPECIES}, groups=groups)

    view = make.raw_store(tmp_path, member("ref", 0, theirs), member("a", 1, ours))
    (row,) = compare(view, "a", "ref", metrics=[f"accuracy[{PRINT}]"]).rows
    known = paired_difference(ours[:18], theirs[:18], clusters=[groups[name] for name in IDS[:18]])
    assert (row.n_text, row.reason, row.p) == ("9 groups", "", known.p)
    assert (row.value, row.ci_low, row.ci_high) == pytest.approx((known.value, *known.interval))


def test_facts_are_compared_as_they_are_without_a_test(make: Any, tmp_path: Path) -> None:
    members = [make.Raw(make.cell(name, numbers_of(make, 0.7), order)) for order, name in enumerate(("ref", "a"))]
    (row,) = compare(make.raw_store(tmp_path, *members), "a", "ref", metrics=["mean_bits"]).rows
    assert (row.value, row.kind, row.how, row.p, row.ci_low) == (0.0, "difference", "computed", None, None)
    assert row.outcome(0.95) == "unknown"


def test_another_slice_makes_the_entries_of_its_own_column_alone(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over two thousand methods the other columns took half a second each time a reader chose a slice."""
    from effbench.report import entries

    def sliced(name: str, quality: float) -> Any:
        return make.number(name, quality, quality - 0.1, quality + 0.1, slice=name.partition("[")[2].rstrip("]"))

    cells = [
        make.cell(
            f"m{i}", [*make.full_numbers(), sliced("clip_score[kind=a]", 0.2), sliced("clip_score[kind=b]", 0.3)], i
        )
        for i in range(9)
    ]
    (workload,) = summarise(make.view(*cells)).workloads
    whole = table_of(workload, of_slice(workload, "kind=a"))
    made = []
    rounded = entries.rounded
    monkeypatch.setattr(entries, "rounded", lambda *bounds: made.append(bounds) or rounded(*bounds))
    other = table_of(workload, of_slice(workload, "kind=b"))
    assert [column.name for column in other.columns] == ["clip_score[kind=b]", *(c.name for c in whole.columns[1:])]
    assert len(made) == len(cells)
    assert table_of(workload, of_slice(workload, "kind=b")) == other
    assert len(made) == len(cells)
    assert [row.entries[1:] for row in other.rows] == [row.entries[1:] for row in whole.rows]
