"""Cells that several stores hold: a copy stands in the table once, and other content under one id is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.parts import write_outputs
from effbench.report.formats import FORMATS, render
from effbench.report.gallery import Gallery
from effbench.report.pareto import picture_of
from effbench.report.summarise import Summary, name_of, summarise_stores
from effbench.report.tables import table_of
from effbench.store import CellFolder, read_store


@pytest.fixture
def store(make: Any, tmp_path: Path) -> Path:
    members = [make.Raw(cell, {"clip_score": [0.1] * 4}) for cell in make.typical_cells()]
    return Path(make.raw_store(tmp_path / "quick", *members).path)


def of(*stores: Path) -> Summary:
    return summarise_stores([read_store(store) for store in stores])


def changed(store: Path, name: str, method: str, **fields: Any) -> Path:
    """Copy a store and change the record of a method in the copy."""
    copy = Path(shutil.copytree(store, store.parent / name))
    for file in copy.glob("cells/*/cell.json"):
        record = json.loads(file.read_bytes())
        if record["method_id"] == method:
            file.write_text(json.dumps(record | fields))
    return copy


def test_a_copy_of_a_store_is_shown_once_in_every_format(store: Path) -> None:
    copy = Path(shutil.copytree(store, store.parent / "copy"))
    alone, both = of(store), of(store, copy)
    (workload,) = both.workloads
    assert [name_of(workload, cell) for cell in workload.cells] == [
        "reference",
        "fewer-steps",
        "int8-simulated",
        "w4a4",
    ]
    assert both.numbers == alone.numbers
    assert workload.notes == ("4 cells of copy are those of quick, shown once",)
    for name in FORMATS:
        texts = [render(summary, name, width=240) for summary in (alone, both)]
        assert texts[0].count("fewer-steps") == texts[1].count("fewer-steps")
        assert name in ("csv", "json") or "4 cells of copy are those of quick, shown once" in texts[1]
    assert [raw.path.parents[1] for raw in workload.raw] == [store] * 4, "the store that was named first"


def test_pictures_that_one_of_two_copies_kept_are_shown(store: Path, make: Any) -> None:
    copy = Path(shutil.copytree(store, store.parent / "copy"))
    folder = CellFolder(copy / "cells" / make.cell_id("t2i", "reference"))
    write_outputs(folder.previews, "k", ["a"], 0, [{"image": np.zeros((2, 2, 3), np.uint8)}])
    for order in ((store, copy), (copy, store)):
        (workload,) = of(*order).workloads
        assert len(workload.cells) == 4 and Gallery(workload).methods == ["reference"]


def test_a_copy_that_was_changed_since_the_run_is_shown_beside_it_and_said(store: Path) -> None:
    (workload,) = of(store, changed(store, "mine", "fewer-steps", verified_by="mallory")).workloads
    assert [name_of(workload, cell) for cell in workload.cells] == [
        "reference", "fewer-steps 2026-11-22 10:05 in quick", "fewer-steps 2026-11-22 10:05 in mine", "int8-simulated",
        "w4a4",
    ]  # fmt: skip
    said = "fewer-steps: other content in quick than in mine under one id, all shown; the run ended at one time"
    assert workload.notes[0] == "3 cells of mine are those of quick, shown once" and workload.notes[1].startswith(said)
    assert any(note.startswith(said) for note in table_of(workload).notes)
    names = [point.name for point in picture_of(workload, ("latency", "quality")).points]
    assert len(names) == len(set(names)) == 3


def test_a_second_run_of_the_same_cell_is_no_copy(store: Path) -> None:
    later = changed(store, "again", "fewer-steps", finished_utc="2026-11-23T09:00:00Z")
    (workload,) = of(store, later).workloads
    assert [name_of(workload, cell) for cell in workload.cells][1:3] == [
        "fewer-steps 2026-11-22 10:05", "fewer-steps 2026-11-23 09:00",
    ]  # fmt: skip
    assert workload.notes[1] == "fewer-steps: other content in quick than in again under one id, all shown"


def test_stores_whose_folders_have_one_name_are_told_apart(store: Path, make: Any) -> None:
    moved = store.parent / "b" / "quick"
    moved.parent.mkdir()
    changed(store, "mine", "reference", verified_by="x").rename(moved)
    for path in (store, moved):
        folder = CellFolder(path / "cells" / make.cell_id("t2i", "reference"))
        write_outputs(folder.previews, "k", ["a"], 0, [{"image": np.zeros((2, 2, 3), np.uint8)}])
    (workload,) = of(store, moved).workloads
    assert [name_of(workload, cell) for cell in workload.cells][:2] == [
        f"reference 2026-11-22 10:05 in {path}" for path in (store, moved)
    ]
    assert Gallery(workload).methods == [f"reference 2026-11-22 10:05 in {path}" for path in (store, moved)]


def test_a_store_cannot_say_what_another_store_s_machine_is(store: Path) -> None:
    other = changed(store, "other", "fewer-steps", finished_utc="2026-11-23T09:00:00Z")
    (file,) = (other / "machine").iterdir()
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"cpu_model": "Deep Thought"}))
    (workload,) = of(store, other).workloads
    assert workload.machines[file.stem]["cpu_model"] == "AMD EPYC 7B13"
    assert workload.notes[-1] == f"machine {file.stem} is another in other: Deep Thought"
    (workload,) = of(other, store).workloads
    assert workload.machines[file.stem]["cpu_model"] == "Deep Thought" and "AMD EPYC" in workload.notes[-1]


def test_what_stores_plan_and_have_not_finished_is_counted(store: Path, make: Any) -> None:
    plan = json.loads((store / "plan.json").read_bytes())
    more = [{"id": make.cell_id("t2i", f"m{i}"), "task": "t2i", "method": f"m{i}"} for i in range(30)]
    more.append({"id": make.cell_id("t2v", "m"), "task": "t2v", "method": "elsewhere"})
    (store / "plan.json").write_text(json.dumps([*plan, *more]))
    (workload,) = of(store).workloads
    (note,) = workload.notes
    names = ", ".join(f"m{i}" for i in range(20))
    assert note == f"30 of 34 cells are not finished yet: {names} and 10 more"
    assert note in render(of(store), "html") and note in render(of(store), "table")
