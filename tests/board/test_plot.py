from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from effbench.report.pareto import ParetoPicture, picture_of, pictures_of
from effbench.report.summarise import summarise
from effbench_leaderboard import plot
from effbench_leaderboard.pareto_figure import WIDTHS, figure_of, margins_of, names_for_widths, style_of

Read = Callable[[AppTest], list[dict[str, str]]]


def picture(make: ModuleType, *axes: str) -> ParetoPicture:
    (found,) = pictures_of(summarise(make.view(*make.typical_cells())), (axes[0], axes[1]))
    return found


def traces(figure: Any) -> dict[str, Any]:
    return {trace.name: trace for trace in figure.data[1:]}


def test_the_plot_draws_the_front_bars_and_exact_values(make: ModuleType) -> None:
    found = picture(make, "latency", "quality")
    figure = figure_of(found)
    line, *_ = figure.data
    assert set(found.staircase) <= set(zip(line.x, line.y))
    drawn = traces(figure)
    assert set(drawn) == {"reference", "on the front"}
    assert drawn["reference"].marker.symbol == "diamond"
    assert abs(drawn["reference"].error_x.array[0] - 0.02 * 812.4) < 1e-9
    assert "latency p50: 812 [796, 829] ms" in drawn["reference"].hovertext[0]
    assert "better" in figure.layout.xaxis.title.text
    assert [found.points[place].name for place in drawn["on the front"].customdata] == ["fewer-steps"]


def test_simulated_methods_have_open_markers(make: ModuleType) -> None:
    drawn = traces(figure_of(picture(make, "compute", "quality")))
    (trace,) = [trace for name, trace in drawn.items() if name.endswith("(simulated)")]
    assert trace.marker.symbol == "circle-open"
    assert "int8-simulated" in trace.hovertext[0]


def test_probabilities_stand_behind_names_and_in_the_hover(make: ModuleType, tmp_path: Path) -> None:
    def member(name: str, order: int, draws: list[float]) -> Any:
        number = make.number("clip_score", 0.5, 0.4, 0.6, ci_method="bootstrap_percentile")
        cell = make.cell(name, [number, make.number("gflop_per_sample", 1.0 + order)], order)
        return make.Raw(cell, draws={"clip_score": draws})

    view = make.raw_store(tmp_path, member("ref", 0, [0.5] * 4), member("b", 1, [0.6, 0.1, 0.1, 0.1]))
    (found,) = pictures_of(summarise(view), ("compute", "quality"))
    names = names_for_widths(found)
    assert {name.text for placed in names for name in placed} == {"ref · >0.99", "b · 0.25"}
    hovers = [text for trace in figure_of(found, names).data[1:] for text in trace.hovertext]
    assert any("probability of being on the front: 0.25" in text for text in hovers)


def test_names_are_no_markup_anywhere(make: ModuleType) -> None:
    hostile = "<b>%{x}$y$</b>"
    cells = [make.cell("ref"), make.cell(hostile, make.full_numbers(0.31, 700.0, 1.2), 1)]
    (found,) = pictures_of(summarise(make.view(*cells)), ("latency", "quality"))
    names = names_for_widths(found)
    figure = figure_of(found, names)
    shown = [note.text for note in figure.layout.annotations] + [
        t for trace in figure.data[1:] for t in trace.hovertext
    ]
    assert any("&lt;b>" in text for text in shown)
    assert not any("%{" in text or "$" in text for text in shown)
    assert "b>" not in style_of(names).replace("<style>", "").replace("</style>", "")


def test_each_width_shows_its_own_names_which_stand_apart(make: ModuleType) -> None:
    """Every name at every width, from where Plotly will draw it: none on another, none on a point, all inside."""
    generator = np.random.default_rng(3)
    cells = [
        make.cell(
            f"method-number-{i}", [make.number("latency_p50_ms", x, 0.9 * x, 1.1 * x), make.number("clip_score", y)], i
        )
        for i, (x, y) in enumerate(generator.uniform(10, 20, (40, 2)))
    ]
    (found,) = pictures_of(summarise(make.view(*cells)), ("latency", "quality"))
    names, margins = names_for_widths(found), margins_of(found)
    figure = figure_of(found, names)
    on_x, on_y = found.scales
    assert len(figure.layout.annotations) == 1 + sum(map(len, names))
    assert len(names[0]) < len(names[-1]) <= 40
    assert all(placed for placed in names)
    first = 1
    for placed, width in zip(names, WIDTHS):
        shown = figure.layout.annotations[first : first + len(placed)]
        first += len(placed)
        plot_width, plot_height = (
            width - margins.left - margins.right,
            figure.layout.height - margins.top - margins.bottom,
        )
        boxes = []
        for note, name in zip(shown, placed):
            right, up = (note.ax, -note.ay) if note.showarrow else (note.xshift, note.yshift)
            x, y = on_x.share(note.x) * plot_width + right, on_y.share(note.y) * plot_height + up
            long = 6.0 * len(name.text)  # of a proportional font, on average half of its size
            left = x - {"left": 0.0, "center": long / 2, "right": long}[note.xanchor]
            boxes.append((left, y - 8, left + long, y + 8))
            assert y - 8 >= 0 and y + 8 <= plot_height
        for turn, (left, low, right, high) in enumerate(boxes):
            for other in boxes[:turn]:
                assert right <= other[0] or left >= other[2] or high <= other[1] or low >= other[3]
            for point in found.points:
                px, py = on_x.share(point.at[0]) * plot_width, on_y.share(point.at[1]) * plot_height
                assert not (left < px < right and low < py < high)


def test_the_style_sheet_shows_one_range_of_widths_at_a_time(make: ModuleType) -> None:
    names = names_for_widths(picture(make, "latency", "quality"))
    sheet = style_of(names)
    assert [len(placed) for placed in names] == [2] * 7
    for narrow, wide, indices in ((280, 319.98, (1, 2)), (320, 399.98, (3, 4)), (940, 1219.98, (11, 12))):
        rule = sheet[sheet.index(f"(min-width: {narrow}px) and (max-width: {wide}px)") :].partition("}}")[0]
        assert all(f"[data-index='{index}']" in rule for index in indices)
        assert rule.count("data-index") == 2
    assert "(min-width: 1220px) {" in sheet


def test_a_logarithmic_figure_has_its_names_at_powers(make: ModuleType) -> None:
    cells = [
        make.cell(
            f"m{i}", [make.number("latency_p50_ms", 10.0**i, -1.0, 2 * 10.0**i), make.number("clip_score", 0.3)], i
        )
        for i in range(4)
    ]
    (found,) = pictures_of(summarise(make.view(*cells)), ("latency", "quality"))
    logarithmic = found.drawn((True, False))
    figure = figure_of(logarithmic, names_for_widths(logarithmic))
    assert figure.layout.xaxis.type == "log" and figure.layout.yaxis.type == "linear"
    assert {round(note.x, 9) for note in figure.layout.annotations[1:]} <= {0.0, 1.0, 2.0, 3.0}
    low = 10 ** figure.layout.xaxis.range[0]
    for trace in figure.data[1:]:
        assert all(x - minus >= low * (1 - 1e-9) for x, minus in zip(trace.x, trace.error_x.arrayminus))


def test_many_points_are_small_and_have_bars_on_the_front_alone(make: ModuleType) -> None:
    generator = np.random.default_rng(0)
    cells = [
        make.cell(f"m{i}", [make.number("latency_p50_ms", x, x - 1, x + 1), make.number("clip_score", y)], i)
        for i, (x, y) in enumerate(generator.uniform(10, 20, (300, 2)))
    ]
    (found,) = pictures_of(summarise(make.view(*cells)), ("latency", "quality"))
    drawn = traces(figure_of(found))
    assert drawn["behind the front"].error_x.visible is False
    assert drawn["behind the front"].marker.size < drawn["on the front"].marker.size
    assert len(drawn["on the front"].error_x.array) == len(drawn["on the front"].x)


@pytest.mark.parametrize("place", [1, [1]])
def test_a_click_opens_the_method_of_the_point(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {plot.CHART: {"selection": {"points": [{"customdata": place}]}}}
    monkeypatch.setattr(st, "session_state", state)
    plot._open_clicked(["a", "b"])
    assert state["tab"] == "Entry" and state["method"] == "b"


@pytest.mark.parametrize("points", [[], [{}], [{"customdata": 7}], [{"customdata": "b"}], [{"customdata": -1}]])
def test_what_is_no_place_among_the_points_opens_nothing(points: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {plot.CHART: {"selection": {"points": points}}}
    monkeypatch.setattr(st, "session_state", state)
    plot._open_clicked(["a", "b"])
    assert set(state) == {plot.CHART}


def test_the_tab_shows_latency_and_quality_and_lists_what_is_missing(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    board = open_board(write_store("quick", make.typical_cells()), tab="Pareto")
    assert board.selectbox("x").value == "latency p50 (ms)"
    assert board.selectbox("y").value == "CLIP score"
    assert "parameter memory (MB)" in board.selectbox("x").options
    assert "energy per sample (J)" not in board.selectbox("x").options, "nobody has it"
    said = " ".join(caption.value for caption in board.caption)
    assert "int8-simulated" in said
    assert "latency simulated" in said and "oom" in said
    rows = table_on(board)
    assert list(rows[0]) == ["method", "latency p50", "CLIP score", "front"]  # no resamples here, and the note says so
    assert "No probabilities of being on the front" in said
    assert [row["method"] for row in rows] == ["fewer-steps", "reference reference"]
    assert [row["front"] for row in rows] == ["yes", "yes"]
    (body,) = [element.proto.body for element in board.get("html") if "<table" in element.proto.body]
    assert "tab=Entry&amp;method=fewer-steps" in body
    assert {button.label for button in board.get("download_button")} >= {"SVG", "PNG"}


def test_any_two_numbers_and_the_address(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    store = write_store("quick", make.typical_cells())
    board = open_board(store, tab="Pareto", x="compute per sample (GFLOP)", y="LPIPS to reference")
    rows = table_on(board)
    assert len(rows) == 3
    assert list(rows[0])[1:3] == ["compute per sample", "LPIPS to reference"]
    board = open_board(store, tab="Pareto", x="no such number")
    assert board.selectbox("x").value == "latency p50 (ms)"
    board.selectbox("x").select("compute per sample (GFLOP)").run()
    assert list(table_on(board)[0])[1:3] == ["compute per sample", "CLIP score"]
    board.selectbox("y").select("compute per sample (GFLOP)").run()
    assert not board.exception
    assert any("two different numbers" in info.value for info in board.info)
    assert not board.get("plotly_chart")


def test_a_scale_can_be_logarithmic_where_a_number_spans_over_a_decade(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType, tmp_path: Path
) -> None:
    cells = [
        make.cell(f"m{i}", [make.number("latency_p50_ms", 10.0**i), make.number("clip_score", 0.3 + 0.1 * i)], i)
        for i in range(3)
    ]
    board = open_board(write_store("quick", cells), tab="Pareto")
    assert board.pills("log").options == ["horizontal"] and not board.pills("log").value
    board = open_board(tmp_path / "quick", tab="Pareto", log="horizontal")
    assert board.pills("log").value == ["horizontal"]
    assert '"type":"log"' in board.get("plotly_chart")[0].proto.spec
    board.selectbox("x").select("CLIP score").run()
    assert not board.exception
    board.selectbox("y").select("latency p50 (ms)").run()
    assert not board.exception
    assert board.pills("log").options == ["vertical"]
    assert '"type":"log"' not in board.get("plotly_chart")[0].proto.spec


def test_a_long_table_has_pages(
    open_board: Callable[..., AppTest], table_on: Read, write_store: Callable[..., Path], make: ModuleType
) -> None:
    cells = [
        make.cell(f"m{i}", [make.number("latency_p50_ms", 10.0 + i), make.number("clip_score", 0.9 - 0.01 * i)], i)
        for i in range(plot.MOST_ROWS + 3)
    ]
    board = open_board(write_store("quick", cells), tab="Pareto")
    first = table_on(board)
    assert len(first) == plot.MOST_ROWS
    assert first[0]["method"] == "m0 reference" and [row["front"] for row in first[:3]] == ["yes", "no", "no"]
    board.number_input("points").set_value(2).run()
    assert len(table_on(board)) == 3


def test_the_tab_is_not_there_without_two_numbers(
    open_board: Callable[..., AppTest], write_store: Callable[..., Path], make: ModuleType
) -> None:
    board = open_board(write_store("quick", [make.cell("ref", [make.number("clip_score", 0.3)])]), tab="Pareto")
    assert "Pareto" not in [tab.label for tab in board.tabs]


def test_files_are_drawn_when_asked_for(make: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    offered: list[Any] = []
    monkeypatch.setattr(st, "download_button", lambda label, data, file, mime, **_: offered.append((file, data)))
    (workload,) = summarise(make.view(*make.typical_cells())).workloads
    plot._show_files(workload, picture_of(workload, ("latency", "quality")))
    files = {name.rpartition(".")[2]: content() for name, content in offered}
    assert files["svg"].startswith(b"<?xml") and files["png"].startswith(b"\x89PNG")
    assert [name for name, _ in offered] == ["t2i-latency-p50-ms-clip-score.svg", "t2i-latency-p50-ms-clip-score.png"]
