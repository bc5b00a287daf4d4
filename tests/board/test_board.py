"""The board, driven without a browser over the frozen store."""

from pathlib import Path

STORE = Path(__file__).parents[1] / "assets" / "store-v1"


def test_the_board_shows_every_method_with_its_badge(open_board, table_on):
    rows = table_on(open_board(STORE))
    assert len(rows) == 2
    assert sum("reference" in row["method"] for row in rows) == 1
    assert all("real" in row["execution"] for row in rows)


def test_every_number_that_somebody_has_can_be_drawn_against_quality(open_board):
    app = open_board(STORE, tab="Pareto")
    options = app.selectbox("x").options
    assert len(options) > 3
    for option in options:
        app.selectbox("x").select(option).run()
        assert not app.exception
        assert bool(app.get("plotly_chart")) == (option != app.selectbox("y").value)


def test_a_missing_store_is_a_sentence(open_board, tmp_path):
    app = open_board(tmp_path)
    assert not app.exception
    assert "not an EffBench store" in app.error[0].value
