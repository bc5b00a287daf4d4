from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from effbench.report.curve_panels import PALETTE, SCREEN_PALETTE, looks_of
from effbench.report.curves import curve_pictures
from effbench.report.summarise import summarise
from effbench_leaderboard.convergence import figure_of

APP = Path(__file__).parent.parent.parent / "leaderboard" / "app.py"
STEPS = np.arange(1.0, 101)


def member(make: ModuleType, name: str, order: int, curve: Any, seconds: Any, machine: str = "aa") -> Any:
    number = make.number("error_mha", 0.3, unit="mHa", higher_is_better=False, primary=True)
    cell = make.cell(name, [number], order, seeds=(0,), machine=machine * 6)
    arrays = {
        "curve_s": [seconds] * 2,
        "curve_error_mha": [curve, 2 * np.asarray(curve)],
        "goal_error_mha": [[1.6]] * 2,
    }
    return make.Raw(cell, {"error_mha": [0.1, 0.2]}, samples=("h2o", "lih"), arrays=arrays)


def test_the_figure_has_lines_crosses_and_the_goal(make: ModuleType, tmp_path: Path) -> None:
    view = make.raw_store(tmp_path, member(make, "ref", 0, [20.0], [0.5]), member(make, "a", 1, 90 / STEPS, STEPS))
    first, second = curve_pictures(summarise(view).workloads[0])
    looks = looks_of([first], SCREEN_PALETTE)
    figure = figure_of(first, looks)
    point, line, goal = figure.data
    assert point.name == "ref" and list(point.y) == [20.0, 20.0] and point.x[0] == 0.5 and point.x[1] > 100
    assert line.mode == "lines" and line.y[-1] == pytest.approx(np.mean(90 / STEPS[-10:]))
    assert list(goal.y) == [1.6, 1.6] and figure.layout.yaxis.type == "log"
    assert any(note.text == "goal 1.6 mHa" and note.y == pytest.approx(np.log10(1.6)) for note in figure.layout.annotations)
    assert figure_of(second, looks).data[0].y[0] == 40.0


def test_the_page_shows_a_sample_at_a_time(
    make: ModuleType, tmp_path: Path, open_board: Callable[..., AppTest], table_on: Callable[..., list[dict[str, str]]]
) -> None:
    make.raw_store(
        tmp_path,
        member(make, "ref", 0, [20.0], [0.5]),
        member(make, "a", 1, 90 / STEPS, STEPS),
        make.Raw(make.cell("none", [], 2, seeds=(0,), machine="aa" * 6)),
    )
    board = open_board(tmp_path, tab="Convergence")
    assert board.selectbox("curve_metric").options == ["error (mHa)"]
    assert board.selectbox("curve_sample").options == ["h2o, seed 0", "lih, seed 0"]
    board.selectbox("curve_sample").select("lih, seed 0").run()
    assert not board.exception
    assert any("none (keeps no curve of this sample)" in plain(caption.value) for caption in board.caption)
    assert [row["method"] for row in table_on(board)] == ["a", "ref"]
    board = open_board(tmp_path, tab="Convergence", curve_sample="lih, seed 0")
    assert board.selectbox("curve_sample").value == "lih, seed 0"
    assert table_on(board)[1]["last mean"] == "40"


def plain(text: str) -> str:
    return text.replace("\\", "")


def test_a_black_line_would_not_be_seen_on_a_dark_page() -> None:
    assert set(PALETTE) - set(SCREEN_PALETTE) == {"#000000"}


def test_no_curves_and_several_machines_are_said(
    make: ModuleType, tmp_path: Path, open_board: Callable[..., AppTest]
) -> None:
    make.raw_store(tmp_path / "bare", make.Raw(make.cell("ref")))
    assert "Convergence" not in [tab.label for tab in open_board(tmp_path / "bare").tabs]
    make.raw_store(
        tmp_path / "two", member(make, "ref", 0, [2.0], [1.0]), member(make, "a", 1, [1.0], [1.0], machine="bb")
    )
    assert any(
        "whose times do not compare" in info.value for info in open_board(tmp_path / "two", tab="Convergence").info
    )
