"""The picture of tau over labels reads budgets from the tasks' names and leaves out what has no tau."""

import importlib.util
from pathlib import Path

import pytest

from effbench.record import Number

SPEC = importlib.util.spec_from_file_location("nas_curves", Path(__file__).parents[1] / "docs" / "nas_curves.py")
nas_curves = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(nas_curves)


class Cell:
    def __init__(self, task_id, method_id, value, low=None, high=None):
        self.task_id, self.method_id = task_id, method_id
        self.numbers = [
            Number(
                name="kendall_tau",
                axis="quality",
                unit="",
                value=value,
                ci_low=low,
                ci_high=high,
                higher_is_better=True,
                reason=None if value is not None else "error",
            )
        ]


CELLS = [
    Cell("planted-10", "ridge", 0.3, 0.2, 0.4),
    Cell("planted-100", "ridge", 0.5),
    Cell("planted-100", "dele", None),
    Cell("other", "ridge", 0.9),
]


def test_budgets_come_from_names_and_missing_taus_are_left_out(tmp_path):
    found = nas_curves.taus_of(CELLS)
    assert set(found) == {"planted"} and set(found["planted"]) == {"ridge"}
    assert found["planted"]["ridge"] == {
        10: nas_curves.TauPoint(0.3, 0.2, 0.4),
        100: nas_curves.TauPoint(0.5, None, None),
    }
    nas_curves.draw(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_a_store_without_taus_ends_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(nas_curves, "read_store", lambda folder: type("Store", (), {"cells": CELLS[2:]}))
    monkeypatch.setattr("sys.argv", ["nas_curves", str(tmp_path)])
    with pytest.raises(SystemExit, match="no task of it is named TABLE-LABELS"):
        nas_curves.main()
