"""The board, driven without a browser over the frozen store."""

from pathlib import Path

STORE = Path(__file__).parents[1] / "assets" / "store-v1"


def test_the_board_shows_every_method_with_its_badge(open_board, table_on):
    rows = table_on(open_board(STORE))
    assert len(rows) == 2
    assert sum("reference" in row["method"] for row in rows) == 1
    assert all("real" in row["execution"] for row in rows)


def test_other_axes_can_be_chosen_and_what_is_missing_is_said(open_board):
    app = open_board(STORE, tab="Pareto")
    app.selectbox("across").select("energy").run()
    assert not app.exception
    assert any("No method has a number" in warning.value for warning in app.warning)


def test_a_missing_store_is_a_sentence(open_board, tmp_path):
    app = open_board(tmp_path)
    assert not app.exception
    assert "not an EffBench store" in app.error[0].value
