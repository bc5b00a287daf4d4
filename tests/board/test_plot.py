from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from effbench.report.pareto import pictures_of
from effbench.report.summarise import summarise
from effbench_leaderboard.plot import figure_of


def test_the_plot_draws_the_front_bars_and_exact_values(make: ModuleType) -> None:
    (picture,) = pictures_of(summarise(make.view(*make.typical_cells())), ("latency", "quality"))
    figure = figure_of(picture)
    front, *points = figure.data
    assert tuple(zip(front.x, front.y)) == picture.staircase
    names = {text: trace for trace in points for text in trace.text}
    assert set(names) == {"reference", "fewer-steps"}
    assert names["reference"].marker.symbol == "diamond"
    assert abs(names["reference"].error_x.array[0] - 0.02 * 812.4) < 1e-9
    assert "latency p50: 812 [796, 829] ms" in names["reference"].customdata[0]
    assert "better" in figure.layout.xaxis.title.text


def test_simulated_methods_have_open_markers(make: ModuleType) -> None:
    (picture,) = pictures_of(summarise(make.view(*make.typical_cells())), ("compute", "quality"))
    (trace,) = [trace for trace in figure_of(picture).data if "int8-simulated" in (trace.text or ())]
    assert trace.marker.symbol == "circle-open"
    assert trace.name.endswith("(simulated)")


def test_chances_stand_behind_names_and_in_the_hover(make: ModuleType, tmp_path: Path) -> None:
    def member(name: str, order: int, draws: list[float]) -> Any:
        number = make.number("clip_score", 0.5, 0.4, 0.6, ci_method="bootstrap_percentile")
        cell = make.cell(name, [number, make.number("gflop_per_sample", 1.0 + order)], order)
        return make.Raw(cell, draws={"clip_score": draws})

    view = make.raw_store(tmp_path, member("ref", 0, [0.5] * 4), member("b", 1, [0.6, 0.1, 0.1, 0.1]))
    (picture,) = pictures_of(summarise(view), ("compute", "quality"))
    traces = [trace for trace in figure_of(picture).data if trace.customdata is not None]
    said = dict(pair for trace in traces for pair in zip(trace.text, trace.customdata))
    assert set(said) == {"ref · >0.99", "b · 0.25"}
    assert "probability of being on the front: 0.25" in said["b · 0.25"]
    assert "real unverified" in said["b · 0.25"]
