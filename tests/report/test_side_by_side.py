from __future__ import annotations

import hashlib
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.cli.app import run_app
from effbench.errors import StoreError
from effbench.report.compare import compare, compare_cells
from effbench.report.comparison_text import notes_of
from effbench.report.side_by_side import AgainstFirst, against_first, beginning
from effbench.report.summarise import WorkloadCells, names_of, summarise, summarise_stores
from effbench.store import read_store

SCORES = np.random.default_rng(3).normal(0.5, 0.2, 60)
ROUNDS = {f"r{i:03d}": [10.0 + 0.1 * i] for i in range(1, 5)}


def member(make: Any, name: str, order: int, scores: Any = SCORES, speedup: float | None = None, **rest: Any) -> Any:
    """A cell with a score per sample, and times where it has a speed-up."""
    value = float(np.mean(scores))
    numbers = [make.number("clip_score", value, value - 0.05, value + 0.05, ci_method="bootstrap_percentile")]
    rounds = {}
    if speedup is not None:
        jitter = np.random.default_rng(order).normal(1, 0.01, len(ROUNDS))
        rounds = {name: [ROUNDS[name][0] / speedup * j] for name, j in zip(ROUNDS, jitter)}
        numbers += [make.number("latency_p50_ms", 10.0 / speedup), make.number("speedup", speedup)]
    given = {"n_samples": len(scores), "seeds": (0,), **rest}
    return make.Raw(make.cell(name, numbers, order, **given), {"clip_score": scores}, rounds=rounds)


def workload_of(*views: Any) -> WorkloadCells:
    (workload,) = summarise_stores(views).workloads
    return workload


@pytest.fixture
def typical_three(make: Any, tmp_path: Path) -> Any:
    """Reference, a method that is fast and much worse, and one that is less fast and as good."""
    noise = np.random.default_rng(4).normal(0, 0.02, (2, 60))
    return make.raw_store(
        tmp_path / "store",
        member(make, "reference", 0, speedup=1.0),
        member(make, "worse", 1, SCORES - 0.04 + noise[0], 3.0),
        member(make, "as-good", 2, SCORES + noise[1], 2.0),
        member(make, "slow", 3, SCORES + noise[1], 1.1),
    )


def test_each_method_is_held_against_the_first(typical_three: Any) -> None:
    found = against_first(workload_of(typical_three), ["reference", "as-good", "worse"])
    assert [against.name for against in found] == ["as-good", "worse"]
    for against in found:
        expected = compare(typical_three, against.name, "reference")
        assert against.comparison == expected
        assert against.sentence.startswith(f"{against.name} is ")


def test_the_sentence_is_the_one_that_the_command_prints(
    typical_three: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(typical_three.path.parent)
    (against,) = against_first(workload_of(typical_three), ["reference", "worse"])
    words = shlex.split(against.command)
    assert words == ["effbench", "compare", "--task", "t2i", "store", "worse", "reference"]
    monkeypatch.setattr("sys.argv", words)
    assert run_app() == 0
    assert " ".join(capsys.readouterr().out.split()).endswith(against.sentence)


def test_a_method_whose_name_looks_like_an_option_can_be_compared_by_the_command(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    view = make.raw_store(tmp_path, member(make, "ref", 0), member(make, "--json $(x) 'y'", 1))
    (against,) = against_first(workload_of(view), ["ref", "--json $(x) 'y'"])
    monkeypatch.setattr("sys.argv", shlex.split(against.command))
    assert run_app() == 0
    assert " ".join(capsys.readouterr().out.split()).endswith(against.sentence)


def test_a_comparison_begins_with_the_fastest_that_is_not_worse(typical_three: Any) -> None:
    begin = beginning(workload_of(typical_three))
    assert begin.names == ("reference", "as-good")
    assert "best speed-up that is not worse than it in CLIP score" in begin.rule


def test_where_all_are_worse_the_fastest_begins_and_the_rule_says_so(make: Any, tmp_path: Path) -> None:
    members = [member(make, f"worse{i}", i, SCORES - 0.04 - 0.001 * i, 1.0 + i) for i in (1, 2)]
    begin = beginning(workload_of(make.raw_store(tmp_path, member(make, "reference", 0, speedup=1.0), *members)))
    assert begin.names == ("reference", "worse2")
    assert "none was found that is not worse" in begin.rule


def test_a_reference_without_the_primary_quality_is_held_against_in_the_next(make: Any, tmp_path: Path) -> None:
    def with_fidelity(found: Any, value: float | None) -> Any:
        more = make.number("lpips_to_reference", value, reason=None if value else "no_reference", primary=True)
        plain = [
            replace(number, primary=False) if number.axis == "quality" else number for number in found.cell.numbers
        ]
        return found._replace(cell=found.cell.model_copy(update={"numbers": (more, *plain)}))

    members = [
        with_fidelity(member(make, "reference", 0, speedup=1.0), None),
        with_fidelity(member(make, "worse", 1, SCORES - 0.2, 3.0), 0.1),
        with_fidelity(member(make, "as-good", 2, SCORES, 2.0), 0.1),
    ]
    begin = beginning(workload_of(make.raw_store(tmp_path / "a", *members)))
    assert begin.names == ("reference", "as-good") and "not worse than it in CLIP score" in begin.rule
    bare = [
        found._replace(cell=found.cell.model_copy(update={"numbers": tuple(
            number for number in found.cell.numbers if number.name != "clip_score"
        )}))
        for found in members
    ]  # fmt: skip
    begin = beginning(workload_of(make.raw_store(tmp_path / "b", *bare)))
    assert begin.names == ("reference", "worse") and "no quality that others could be worse in" in begin.rule


def test_without_speed_ups_or_a_finished_reference_two_methods_begin(make: Any, tmp_path: Path) -> None:
    view = make.raw_store(tmp_path / "a", member(make, "reference", 0), member(make, "a", 1), member(make, "b", 2))
    assert beginning(workload_of(view)).names == ("reference", "a")
    failed = make.Raw(make.failed("reference", order=0, role="reference"))
    view = make.raw_store(tmp_path / "b", failed, member(make, "a", 1), member(make, "b", 2))
    assert beginning(workload_of(view)).names == ("a", "b")
    view = make.raw_store(tmp_path / "c", member(make, "reference", 0))
    assert beginning(workload_of(view)).names == ("reference",)


def test_a_damaged_part_costs_the_numbers_that_need_it_and_no_others(typical_three: Any) -> None:
    cell = next(cell for cell in typical_three.cells if cell.method_id == "worse")
    (part,) = (typical_three.path / "cells" / cell.id / "samples").iterdir()
    part.unlink()
    damage = b"no table"
    (part.parent / f"merged.{hashlib.sha256(damage).hexdigest()[:16]}.parquet").write_bytes(damage)
    workload = workload_of(read_store(typical_three.path))
    with pytest.raises(StoreError, match="damaged"):
        compare_cells(workload.raw[1], workload.raw[0], 0.95)
    (against,) = against_first(workload, ["reference", "worse"])
    rows = {row.number: row for row in against.comparison.rows}
    assert rows["clip_score"].value is None and "damaged" in rows["clip_score"].reason
    assert rows["clip_score"].a is not None, "what the record says stands"
    assert rows["latency_p50_ms"].outcome(0.95) == "better"
    assert "cannot be compared with reference in CLIP score" in against.sentence


def test_cells_of_two_stores_are_compared_in_pairs_and_timed_through_their_reference(make: Any, tmp_path: Path) -> None:
    views = [
        make.raw_store(tmp_path / name, member(make, "reference", 0, speedup=1.0), member(make, name, 1, speedup=speed))
        for name, speed in (("one", 2.0), ("two", 4.0))
    ]
    workload = workload_of(*views)
    (against,) = against_first(workload, ["one", "two"])
    assert against.command == ""
    rows = {row.number: row for row in against.comparison.rows}
    assert rows["clip_score"].value == 0
    # Rounds of both stores are called r001 to r004: they are others, and the reference joins them.
    assert rows["latency_p50_ms"].how == "rounds with the reference"
    assert rows["latency_p50_ms"].value == pytest.approx(0.5, rel=0.05)


def test_times_beside_different_references_of_two_stores_are_not_compared(make: Any, tmp_path: Path) -> None:
    views = [
        make.raw_store(tmp_path / name, member(make, f"ref-{name}", 0, speedup=1.0), member(make, name, 1, speedup=2.0))
        for name in ("one", "two")
    ]
    (against,) = against_first(workload_of(*views), ["one", "two"])
    (row,) = (row for row in against.comparison.rows if row.number == "latency_p50_ms")
    assert (row.value, row.reason) == (None, "timed in different stores, beside different references")


def test_every_cell_has_a_name_of_its_own(make: Any, tmp_path: Path) -> None:
    one, other = member(make, "reference", 0), member(make, "reference", 0)
    other = other._replace(cell=other.cell.model_copy(update={"n_samples": 7}))
    views = [make.raw_store(tmp_path / name, member) for name, member in (("one", one), ("two", other))]
    names = names_of(workload_of(*views))
    assert len(set(names)) == 2 and all(name.startswith("reference") for name in names)
    assert names_of(workload_of(*views, views[0])) == names, "a copy of a cell is that cell"
    assert names_of(workload_of(views[0])) == ("reference",)


def test_notes_say_how_numbers_are_compared(typical_three: Any) -> None:
    (against,) = against_first(summarise(typical_three).workloads[0], ["reference", "worse"])
    assert isinstance(against, AgainstFirst)
    assert notes_of(against.comparison)[0].startswith("Differences: worse - reference; ratios: worse / reference.")
