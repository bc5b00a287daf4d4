from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from streamlit.testing.v1 import AppTest

from effbench.record import CellRecord
from effbench.store import Store

APP = Path(__file__).parents[2] / "leaderboard" / "app.py"
FACTORY = Path(__file__).parent.parent / "report" / "conftest.py"


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """The record factories of the report tests; a conftest cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("record_factory", FACTORY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def write_store(tmp_path: Path, make: ModuleType) -> Callable[..., Path]:
    """Write real stores: ``write_store("name", cells, extra plan entries)`` returns its folder."""

    def write(name: str, cells: Sequence[CellRecord], unfinished: Sequence[str] = ()) -> Path:
        store = Store(tmp_path / name)
        plan = [{"id": cell.id, "task": cell.task_id, "method": cell.method_id} for cell in cells]
        plan += [{"id": make.cell_id("t2i", method), "task": "t2i", "method": method} for method in unfinished]
        store.open({"name": name, "stats": {"ci": 0.95}}, plan)
        for cell in cells:
            store.cell(cell.id).write_record(cell)
            store.write_machine(cell.provenance.machine, make.MACHINE)
        store.close()
        return store.path

    return write


@pytest.fixture
def open_board(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Run the page over some stores, as an address that names a tab opens it, and make sure that nothing raised."""

    def run(*stores: Path, tab: str = "Board") -> AppTest:
        monkeypatch.setenv("EFFBENCH_BOARD_STORES", os.pathsep.join(map(str, stores)))
        monkeypatch.setattr("sys.argv", ["app.py"])
        board = AppTest.from_file(str(APP), default_timeout=60)
        board.query_params["tab"] = tab
        board.run()
        assert not board.exception
        return board

    return run
