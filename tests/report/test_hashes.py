"""What is shown is what the numbers were made from: tables are held against the hashes in the record when they are opened."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from effbench.atomic import file_sha256
from effbench.errors import StoreError
from effbench.parts import read_part, write_outputs, write_part
from effbench.raw import RawCell
from effbench.report.claims import ledger_of
from effbench.report.compare import compare
from effbench.report.curves import curve_pictures
from effbench.report.gallery import Gallery
from effbench.report.pareto import pictures_of
from effbench.report.summarise import raw_cell, summarise
from effbench.report.tables import table_of
from effbench.store import CellFolder, StoreView, read_store

SCORES = [0.1 * i for i in range(12)]
ROUNDS = {f"r00{i}": [10.0 + i, 11.0 + i] for i in range(1, 4)}
STEPS = np.arange(1.0, 21)
SAID = "its sha256 is not the one in its record"


@pytest.fixture
def view(make: Any, tmp_path: Path) -> StoreView:
    """Two methods with samples, curves, resamples and rounds; the record names every file."""
    arrays = {"curve_s": [STEPS] * 12, "curve_clip_score": [1 / STEPS] * 12}
    numbers = [make.number("clip_score", 0.55, 0.5, 0.6, ci_method="bootstrap_percentile"),
               make.number("latency_p50_ms", 10.0, 9.0, 11.0), make.number("speedup", 1.0, 0.9, 1.1)]  # fmt: skip
    members = [
        make.Raw(make.cell(name, numbers, order, seeds=(0,), n_samples=12), {"clip_score": SCORES},
                 {"clip_score": np.linspace(0.5, 0.6, 50)}, ROUNDS, arrays=arrays)
        for order, name in enumerate("ab")
    ]  # fmt: skip
    found: StoreView = make.raw_store(tmp_path, *members)
    assert all(len(cell.files) >= 5 for cell in found.cells)
    return found


def raw(view: StoreView, method: str = "b") -> RawCell:
    return raw_cell(view, next(cell for cell in view.cells if cell.method_id == method))


def forged(folder: Path) -> Path:
    """Change a table as a careful forger would: whole again, and named by what it now holds."""
    file = sorted(folder.glob("*.parquet"))[0]
    table = read_part(file)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for name in ("score.clip_score", "wall_ns", "clip_score"):
        if name in columns:
            columns[name] = [value * 2 for value in columns[name]]
    made = write_part(folder, file.name.split(".")[0], columns, {})
    assert made != file
    return file


@pytest.mark.parametrize("folder", ["samples", "timings", "draws"])
def test_a_table_of_other_content_under_the_name_in_the_record_is_one_sentence(view: StoreView, folder: str) -> None:
    cell = raw(view)
    file = forged(cell.path / folder)
    made = next(other for other in (cell.path / folder).glob("*.parquet") if other.name not in
                {name.partition("/")[2] for name in cell.record.files})  # fmt: skip
    shutil.move(made, file)
    read = {"samples": cell.rows, "timings": lambda: cell.rounds("latency_p50_ms"), "draws": lambda: cell.replicates}
    with pytest.raises(StoreError, match=f"{file.name}: damaged: {SAID}"):
        read[folder]()


def test_a_table_that_is_put_beside_the_ones_in_the_record_changes_nothing_that_is_shown(view: StoreView) -> None:
    before = compare(view, "b", "a")
    for folder in ("samples", "timings", "draws"):
        kept = forged(raw(view).path / folder)
        assert kept.exists() and len(list(kept.parent.glob("*.parquet"))) > 1
    assert compare(read_store(view.path), "b", "a") == before


def test_what_a_record_names_and_the_store_lacks_is_one_sentence_in_every_view(view: StoreView) -> None:
    for folder in ("samples", "timings", "draws"):
        for file in (raw(view).path / folder).glob("*.parquet"):
            file.unlink()
    with pytest.raises(StoreError, match="its record names it, and it is not there"):
        compare(view, "b", "a")
    summary = summarise(view)
    (picture,) = pictures_of(summary, ("latency", "quality"))
    assert "its record names it, and it is not there" in picture.note and len(picture.points) == 2
    (first, *_) = curve_pictures(summary.workloads[0])
    assert [name for name, _ in first.left_out] == ["b"] and "its record names it" in first.left_out[0][1]


def test_damaged_resamples_cost_the_claim_that_needs_them_and_not_the_table(make: Any, tmp_path: Path) -> None:
    claim = {"metric": "share kept", "value": 1.0, "unit": "x", "setting": "", "source": "T1", "number": "clip_score"}
    number = make.number("clip_score", 0.5, 0.4, 0.6, ci_method="bootstrap_centred")
    members = [
        make.Raw(
            make.cell(name, [number], order, claims=({**claim, "as_ratio": True},)), draws={"clip_score": [0.5, 0.6]}
        )
        for order, name in enumerate("ab")
    ]
    view = make.raw_store(tmp_path, *members)
    next((raw(view).path / "draws").glob("*.parquet")).write_bytes(b"no table")
    (workload,) = summarise(view).workloads
    first, second = ledger_of(workload)
    assert first.status == "reproduced" and second.status == "not measured" and SAID in second.why
    assert [row.entries[0].value for row in table_of(workload).rows] == ["0.50", "0.50"]


def test_the_rounds_of_the_reference_are_held_against_its_own_record(view: StoreView) -> None:
    reference = raw(view, "a")
    file = next((reference.path / "timings").glob("*.parquet"))
    file.write_bytes(next((reference.path / "samples").glob("*.parquet")).read_bytes())
    with pytest.raises(StoreError, match=f"{file.name}: damaged: {SAID}"):
        raw(view, "b").rounds_of_reference("latency_p50_ms")


def test_a_setting_that_was_changed_is_one_sentence(view: StoreView) -> None:
    cell = raw(view)
    (cell.path / "setting.json").write_text("{}")
    record = cell.record.model_copy(update={"files": {"setting.json": "ab" * 32}})
    with pytest.raises(StoreError, match=rf"setting\.json: damaged: {SAID}"):
        _ = RawCell(record, cell.path).setting


def test_a_picture_is_held_against_the_hash_in_its_name(view: StoreView) -> None:
    """Records do not name pictures, which may be sent in or left out; what they are called tells that they are whole."""
    folder = CellFolder(raw(view).path)
    file = write_outputs(folder.previews, "k", ["s000"], 0, [{"image": np.full((4, 4, 3), 7, np.uint8)}])
    gallery = Gallery(summarise(view).workloads[0])
    assert (gallery.show(gallery.keys, ["b"])[0].previews["b"].pictures["image"] == 7).all()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1  # one bit of one pixel
    file.write_bytes(content)
    gallery = Gallery(summarise(view).workloads[0])
    preview = gallery.show(gallery.keys, ["b"])[0].previews["b"]
    assert not preview.pictures and preview.missing == (f"{file}: damaged: its content is not what its name says",)
    assert file_sha256(file)[:16] not in file.name
