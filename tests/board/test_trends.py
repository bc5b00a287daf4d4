"""A number over the one parameter in which tasks differ: who belongs together, what is drawn, and the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from effbench.report.summarise import summarise
from effbench.report.trends import TrendPoint, trend_of
from effbench_leaderboard.trends import figure_of


def member(make: ModuleType, method: str, labels: Any, tau: float | None, order: int = 0, **params: Any) -> Any:
    low, high = (None, None) if tau is None else (tau - 0.1, tau + 0.05)
    number = make.number("kendall_tau", tau, low, high, unit="", higher_is_better=True, primary=True)
    given = {"table": "made", "labels": labels, **params}
    task = f"made-{labels}-{'-'.join(map(str, params.values()))}"
    cell = make.cell(method, [number], order, task=task, params=given)
    return cell.model_copy(update={"identity": cell.identity.model_copy(update={"task": "nas-ranking"})})


def test_workloads_that_differ_in_one_number_make_a_trend(make: ModuleType) -> None:
    cells = [
        member(make, method, labels, tau + labels / 1000, order)
        for labels in (100, 10, 25)
        for order, (method, tau) in enumerate({"ref": 0.5, "dele": 0.6}.items())
    ]
    other = member(make, "dele", 10, 0.1, 0, judged=0.3), member(make, "dele", True, 0.1)
    workloads = summarise(make.view(*cells, *other)).workloads
    trend = trend_of(workloads[0], workloads)
    assert trend is not None and trend.parameter == "labels" and list(trend.workloads) == [10.0, 25.0, 100.0]
    assert trend.lines("kendall_tau")["dele"][0] == TrendPoint(10.0, 0.61, pytest.approx(0.51), pytest.approx(0.66))
    assert trend_of(workloads[-1], workloads) is None and trend_of(workloads[-2], workloads) is None
    figure = figure_of(trend, trend.columns[0], trend.lines("kendall_tau"))
    assert list(figure.data[0].x) == [10.0, 25.0, 100.0] and list(figure.data[1].customdata) == [10.0, 25.0, 100.0]
    assert figure.data[1].error_y.arrayminus[0] == pytest.approx(0.1) and figure.layout.xaxis.type == "log"
    assert list(figure.layout.xaxis.ticktext) == ["10", "25", "100"]


def test_the_page_shows_the_trend_and_its_numbers(
    make: ModuleType,
    write_store: Callable[..., Path],
    open_board: Callable[..., AppTest],
    table_on: Callable[..., list[dict[str, str]]],
) -> None:
    several = [member(make, "dele", 10, 0.5), member(make, "dele", 25, 0.625), member(make, "new", 25, None, 1)]
    board = open_board(write_store("several", several), tab="Trend")
    assert board.selectbox("trend_metric").options == ["kendall tau"]
    (row,) = table_on(board)
    assert row["method"] == "dele" and row["labels 25"] == "0.63 [0.53, 0.68]" and row["labels 10"].startswith("0.5")
    assert any("differ in labels alone" in caption.value for caption in board.caption)
    alone = open_board(write_store("alone", several[:1]))
    assert "Trend" not in [tab.label for tab in alone.tabs]
