from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
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
    """Run the page over some stores, as an address that names page and tab opens it, and make sure that nothing raised."""

    def run(*stores: Path, tab: str = "Board", page: str = "Results", **address: str) -> AppTest:
        monkeypatch.setenv("EFFBENCH_BOARD_STORES", os.pathsep.join(map(str, stores)))
        monkeypatch.setattr("sys.argv", ["app.py"])
        board = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in {"page": page, "tab": tab, **address}.items():
            board.query_params[name] = value
        board.run()
        assert not board.exception
        return board

    return run


class _Cells(HTMLParser):
    """Reads the one table of the board: headings, and per row the texts of its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.rows: list[list[str]] = []
        self._texts: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self._texts = []
        elif tag in ("td", "th") and self._texts is not None:
            self._texts.append("")

    def handle_data(self, data: str) -> None:
        if self._texts and (self.headings or not self._texts[-1]):  # of a heading the name, without unit and arrow
            self._texts[-1] = f"{self._texts[-1]} {data}".strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr" and self._texts is not None:
            if self.headings:
                self.rows.append(self._texts)
            else:
                self.headings = self._texts
            self._texts = None


@pytest.fixture(scope="session")
def table_on() -> Callable[[AppTest], list[dict[str, str]]]:
    """Read the board's table as a row of texts per method, by heading (without unit and arrow)."""

    def read(board: AppTest) -> list[dict[str, str]]:
        (body,) = [element.proto.body for element in board.get("html") if "<table" in element.proto.body]
        reader = _Cells()
        reader.feed(body)
        return [dict(zip(reader.headings, texts, strict=True)) for texts in reader.rows]

    return read
