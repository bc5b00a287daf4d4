"""The board, driven without a browser over the frozen store."""

import os
from pathlib import Path

import pytest

testing = pytest.importorskip("streamlit.testing.v1")
APP = Path(__file__).parents[2] / "leaderboard" / "app.py"
STORE = Path(__file__).parents[1] / "assets" / "store-v1"


@pytest.fixture
def board(monkeypatch):
    def start(*stores):
        monkeypatch.setenv("EFFBENCH_BOARD_STORES", os.pathsep.join(map(str, stores)))
        monkeypatch.setattr("sys.argv", ["app.py"])
        return testing.AppTest.from_file(str(APP), default_timeout=60).run()

    return start


def test_the_board_shows_every_method_with_its_badge(board):
    app = board(STORE)
    assert not app.exception
    table = app.dataframe[0].value
    assert len(table) == 2
    assert table["method"].str.contains("ref.").sum() == 1
    assert table["execution"].str.contains("real").all()


def test_other_axes_can_be_chosen_and_what_is_missing_is_said(board):
    app = board(STORE)
    app.selectbox[1].select("energy").run()
    assert not app.exception
    assert any("No method has a number" in warning.value for warning in app.warning)


def test_a_missing_store_is_a_sentence(board, tmp_path):
    app = board(tmp_path)
    assert not app.exception
    assert "not an EffBench store" in app.error[0].value
