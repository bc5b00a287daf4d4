"""The generated stores are stores: what is measured over them would be measured over a real one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench_board.stores import StoreSize, suite_of, write_store
from effbench.report.board import board_rows
from effbench.report.claims import has_claims
from effbench.report.curves import has_curves
from effbench.report.gallery import has_pictures
from effbench.report.snapshot import Snapshots
from effbench.report.summarise import summarise
from effbench.report.tables import table_of
from effbench.store import CellFolder, StoreView, read_store
from effbench.submission.checking import check_numbers

SIZE = StoreSize(tasks=2, methods=50, samples=24)


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> StoreView:
    return read_store(write_store(tmp_path_factory.mktemp("generated") / "store", SIZE, processes=1))


def test_every_number_follows_from_its_parts(view: StoreView) -> None:
    outcome = check_numbers(view.path)
    assert outcome.findings == ()
    assert outcome.compared == sum(len(cell.numbers) for cell in view.cells)


def test_every_file_that_a_record_names_is_there(view: StoreView) -> None:
    assert all(CellFolder(view.path / "cells" / cell.id).is_intact(cell) for cell in view.cells)


def test_there_are_real_simulated_and_failed_cells_with_slices_claims_and_intervals(view: StoreView) -> None:
    kinds = Counter((cell.execution, cell.status) for cell in view.cells)
    assert kinds == {("real", "complete"): 84, ("simulated", "complete"): 12, ("real", "failed"): 4}
    assert {attempt.reason for cell in view.cells for attempt in cell.attempts} == {None, "oom", "timeout"}
    table = table_of(summarise(view).workloads[0])
    assert any(entry.is_grey for row in table.rows for entry in row.entries)
    assert {row.status for row in table.ledger} == {"reproduced", "not reproduced", "not measured"}
    assert len({row.entries[0].rank for row in table.rows}) > 2


def test_what_a_page_shows_first_reads_no_row_of_samples(view: StoreView, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two million of them would not fit into a page's second, nor ten visitors' into memory."""

    def refuse(file: Path, needed: object = ()) -> None:
        raise AssertionError(f"{file} was read")

    monkeypatch.setattr("effbench.parts.read_part", refuse)
    monkeypatch.setattr("effbench.replicates.read_part", refuse)
    for workload in Snapshots().of([view.path]).summary.workloads:
        table = table_of(workload)
        board_rows(workload, table, "prompt_accuracy", range(len(workload.cells)))
        assert has_claims(workload) and not has_curves(workload) and not has_pictures(workload)
        with pytest.raises(AssertionError, match="was read"):
            _ = table.ledger


def test_the_same_options_give_the_same_files(tmp_path: Path) -> None:
    size = StoreSize(tasks=1, methods=4, samples=8)
    stores = [write_store(tmp_path / name, size, processes=1) for name in "ab"]
    files = [{file.relative_to(s): file.read_bytes() for file in s.rglob("*") if file.is_file()} for s in stores]
    assert files[0] == files[1]
    other = write_store(tmp_path / "c", StoreSize(1, 4, 8, seed=1), processes=1)
    assert read_store(other).cells[1].numbers != read_store(stores[0]).cells[1].numbers


def test_several_processes_give_the_same_as_one(tmp_path: Path) -> None:
    size = StoreSize(tasks=1, methods=60, samples=8)
    one, two = (read_store(write_store(tmp_path / str(n), size, processes=n)) for n in (1, 2))
    assert one.cells == two.cells


def test_the_size_is_as_asked(view: StoreView) -> None:
    assert len(view.cells) == SIZE.tasks * SIZE.methods
    assert {cell.n_samples for cell in view.cells if cell.status == "complete"} == {SIZE.samples}
    assert len(suite_of(SIZE)["tasks"]) == SIZE.tasks
