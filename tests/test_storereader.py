from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import effbench.storereader
from effbench.atomic import write_bytes
from effbench.errors import StoreError
from effbench.store import CellFolder, Store, read_store
from effbench.storereader import StoreReader


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """The record factories of the report tests; a conftest cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("record_factory", Path(__file__).parent / "report" / "conftest.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def path(tmp_path: Path, make: ModuleType) -> Path:
    """A store of four cells that are finished and one that is not."""
    store = Store(tmp_path / "store")
    names = [f"m{i}" for i in range(5)]
    store.open({"name": "quick"}, [{"id": make.cell_id("t2i", n), "task": "t2i", "method": n} for n in names])
    for order, name in enumerate(names[:4]):
        store.cell(make.cell_id("t2i", name)).write_record(make.cell(name, order=order))
    store.write_machine("feedc0ffee12", make.MACHINE)
    store.close()
    return store.path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the records that are read, as they are read."""
    ids: list[str] = []
    read = effbench.storereader.read_record

    def counting(file: str, root: Any, cell_id: str) -> Any:
        ids.append(cell_id)
        return read(file, root, cell_id)

    monkeypatch.setattr(effbench.storereader, "read_record", counting)
    return ids


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every file had been left alone for a while."""
    monkeypatch.setattr(effbench.storereader, "YOUNG_NS", -1)


def folder_of(path: Path, make: ModuleType, method: str) -> CellFolder:
    return CellFolder(path / "cells" / make.cell_id("t2i", method))


def replan(path: Path, make: ModuleType, *methods: str) -> None:
    plan = [{"id": make.cell_id("t2i", m), "task": "t2i", "method": m} for m in methods]
    write_bytes(path / "plan.json", json.dumps(plan).encode())


@pytest.mark.usefixtures("settled")
def test_a_store_that_did_not_change_is_the_same_view_and_no_record_is_opened(path: Path, opened: list[str]) -> None:
    reader = StoreReader(path)
    first = reader.read()
    assert first == read_store(path)
    assert len(first.cells) == 4 and first.unfinished == ("t2i/m4",)
    opened.clear()
    assert reader.read() is first
    assert len(opened) == 1  # the unfinished one, in case it is there now


@pytest.mark.usefixtures("settled")
def test_only_the_record_that_changed_is_read(path: Path, make: ModuleType, opened: list[str]) -> None:
    reader = StoreReader(path)
    first = reader.read()
    folder_of(path, make, "m1").write_record(make.cell("m1", order=1, n_samples=7))
    opened.clear()
    second = reader.read()
    assert set(opened) == {make.cell_id("t2i", "m1"), make.cell_id("t2i", "m4")}
    assert [new is old for new, old in zip(second.cells, first.cells)] == [True, False, True, True]
    assert second.cells[1].n_samples == 7


@pytest.mark.usefixtures("settled")
def test_a_record_written_again_with_the_same_content_is_the_same_view(path: Path, make: ModuleType) -> None:
    reader = StoreReader(path)
    first = reader.read()
    folder_of(path, make, "m1").write_record(make.cell("m1", order=1))
    assert reader.read() is first


def test_a_file_that_changed_just_now_is_read_once_more(path: Path, opened: list[str]) -> None:
    """Two writes within one tick of the clock leave the same times; only a later look can tell them apart."""
    reader = StoreReader(path)
    first = reader.read()
    opened.clear()
    assert reader.read() is first
    assert len(opened) == 5


@pytest.mark.usefixtures("settled")
def test_an_edit_in_place_that_puts_the_old_time_back_is_seen(path: Path, make: ModuleType) -> None:
    reader = StoreReader(path)
    reader.read()
    file = folder_of(path, make, "m2").path / "cell.json"
    before, text = file.stat(), file.read_text()
    file.write_text(text.replace('"n_samples": 64', '"n_samples": 65'))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size and file.stat().st_mtime_ns == before.st_mtime_ns
    assert reader.read().cells[2].n_samples == 65


@pytest.mark.usefixtures("settled")
def test_a_damaged_record_is_said_each_time_until_it_is_mended(path: Path, make: ModuleType, opened: list[str]) -> None:
    reader = StoreReader(path)
    first = reader.read()
    folder = folder_of(path, make, "m2")
    write_bytes(folder.path / "cell.json", b"{")
    for _ in range(2):
        with pytest.raises(StoreError, match="damaged"):
            reader.read()
    folder.write_record(make.cell("m2", order=2))
    opened.clear()
    assert reader.read() is first
    assert len(opened) == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("known", [False, True])
def test_a_record_that_becomes_a_link_out_of_the_store_is_refused(path: Path, make: ModuleType, known: bool) -> None:
    reader = StoreReader(path)
    if known:
        reader.read()
    file = folder_of(path, make, "m2").path / "cell.json"
    elsewhere = path.parent / "elsewhere.json"
    file.rename(elsewhere)
    os.utime(elsewhere)
    file.symlink_to(elsewhere)
    with pytest.raises(StoreError, match="leads out of its store"):
        reader.read()


def test_no_store_is_a_sentence_and_it_may_come_later(path: Path) -> None:
    late = path.with_name("late")
    reader = StoreReader(late)
    with pytest.raises(StoreError, match="not an EffBench store"):
        reader.read()
    path.rename(late)
    assert reader.read() == read_store(late)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("seed", range(5))
def test_after_any_changes_it_says_what_a_fresh_reading_says(path: Path, make: ModuleType, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reader, names = StoreReader(path), [f"m{i}" for i in range(6)]
    for step in range(40):
        name = str(rng.choice(names))
        match rng.integers(6):
            case 0:
                folder_of(path, make, name).write_record(make.cell(name, order=int(name[1]), n_samples=step))
            case 1:
                (folder_of(path, make, name).path / "cell.json").unlink(missing_ok=True)
            case 2:
                replan(path, make, *rng.permutation(names)[: rng.integers(1, 7)])
            case 3:
                Store(path).write_machine(f"machine{rng.integers(3)}", {"cores": int(rng.integers(1, 9))})
            case 4:
                lock = path / "suite.lock.yaml"
                write_bytes(lock, lock.read_bytes().replace(b"name: ", b"name: x"))
            case 5:
                pass
        assert reader.read() == read_store(path)
