from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import effbench.report.snapshot
import effbench.storereader
from effbench.report.facets import checked_by
from effbench.report.snapshot import Snapshots
from effbench.report.summarise import summarise_stores
from effbench.report.tables import table_of
from effbench.store import CellFolder, read_store
from effbench.verification import VERIFICATION, CheckedLevel, Verification


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had been left alone for a while, and looking took no time."""
    monkeypatch.setattr(effbench.storereader, "YOUNG_NS", -1)
    monkeypatch.setattr(effbench.report.snapshot, "SHARE_LOOKING", 1.0)


@pytest.fixture
def two_tasks(tmp_path: Path, make: Any) -> Path:
    cells = [make.cell(f"m{i}", order=i, task=task) for task in ("t2i", "t2v") for i in range(3)]
    make.raw_store(tmp_path / "store", *map(make.Raw, cells))
    return tmp_path / "store"


def test_it_says_what_reading_and_summarising_says(two_tasks: Path) -> None:
    seen = Snapshots().of([two_tasks])
    assert seen.summary == summarise_stores([read_store(two_tasks)])
    assert seen.unreadable == () and seen.unfinished == ()


def test_without_a_change_it_is_the_same_snapshot(two_tasks: Path) -> None:
    stores = Snapshots()
    assert stores.of([two_tasks]) is stores.of([two_tasks])


def test_of_several_workloads_only_the_one_with_a_new_record_is_another(two_tasks: Path, make: Any) -> None:
    stores = Snapshots()
    before = stores.of([two_tasks]).summary
    changed = before.workloads[1].cells[2].model_copy(update={"n_samples": 7})
    CellFolder(two_tasks / "cells" / changed.id).write_record(changed)
    after = stores.of([two_tasks]).summary
    assert after == summarise_stores([read_store(two_tasks)])
    assert after.workloads[0] is before.workloads[0]
    assert after.workloads[1] is not before.workloads[1]
    assert after.workloads[1].key != before.workloads[1].key
    assert "7 samples" in table_of(after.workloads[1]).caption[0]


def test_a_cell_that_finishes_appears(two_tasks: Path) -> None:
    cell = read_store(two_tasks).cells[2]
    file = two_tasks / "cells" / cell.id / "cell.json"
    kept = file.rename(two_tasks / "kept.json")
    stores = Snapshots()
    before = stores.of([two_tasks])
    assert before.unfinished == ((two_tasks, (f"{cell.task_id}/{cell.method_id}",)),)
    assert len(before.summary.workloads[0].cells) == 2
    kept.rename(file)
    after = stores.of([two_tasks])
    assert after.unfinished == () and len(after.summary.workloads[0].cells) == 3


def test_a_store_that_cannot_be_read_is_a_sentence_beside_the_others(two_tasks: Path) -> None:
    missing = two_tasks.with_name("missing")
    stores = Snapshots()
    seen = stores.of([two_tasks, missing])
    assert seen.unreadable == ((missing, f"{missing}: not an EffBench store (no suite.lock.yaml)"),)
    assert len(seen.summary.workloads) == 2
    shutil.copytree(two_tasks, missing)
    seen = stores.of([two_tasks, missing])
    assert seen.unreadable == () and len(seen.views) == 2


def test_choices_of_stores_share_what_is_equal(two_tasks: Path, make: Any) -> None:
    other = two_tasks.with_name("other")
    make.raw_store(other, make.Raw(make.cell("m0", task="vmc")))
    stores = Snapshots()
    alone, both = stores.of([two_tasks]), stores.of([two_tasks, other])
    assert stores.of([two_tasks]) is alone
    assert both.views[0] is alone.views[0]
    assert [workload.title for workload in both.summary.workloads] == ["t2i", "t2v", "vmc"]


def test_a_store_whose_looking_takes_long_is_looked_at_seldom(
    two_tasks: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """A tenth of the time at most: a look of one second is followed by nine seconds without one."""
    now, looks = [0.0], []
    monkeypatch.setattr(effbench.report.snapshot, "SHARE_LOOKING", 0.1)
    monkeypatch.setattr("effbench.report.snapshot.time.monotonic", lambda: now[0])
    read = effbench.storereader.StoreReader.read

    def slow(reader: Any) -> Any:
        looks.append(now[0])
        now[0] += 1.0
        return read(reader)

    monkeypatch.setattr(effbench.storereader.StoreReader, "read", slow)
    stores = Snapshots()
    stores.of([two_tasks])
    stores.of([two_tasks])  # after a look that found something new there is a second one
    assert looks == [0.0, 1.0]
    for moment in (2.5, 10.9):
        now[0] = moment
        stores.of([two_tasks])
    assert looks == [0.0, 1.0]
    now[0] = 11.1
    stores.of([two_tasks])
    assert looks == [0.0, 1.0, 11.1]


def test_a_check_by_somebody_else_is_seen_though_no_record_changed(two_tasks: Path) -> None:
    """On a server that runs for weeks the badge would else stay ``self-reported``."""
    stores = Snapshots()
    before = stores.of([two_tasks])
    assert set(checked_by(before.summary.workloads[0])) == {"self-reported"}
    level = CheckedLevel(
        level="rescore", passed=True, compared=3, largest_difference=0.0, missing="", notes=(), findings=()
    )
    checked = Verification(by="carol", machine="m", utc="2026-11-30T00:00:00+00:00", effbench="0", levels=(level,))
    history = {"schema": "effbench/verification/1", "history": [checked.model_dump()]}
    (two_tasks / VERIFICATION).write_text(json.dumps(history))
    after = stores.of([two_tasks])
    assert set(checked_by(after.summary.workloads[0])) == {"rescored by carol"}
    assert after.summary.workloads[0].key != before.summary.workloads[0].key
