from __future__ import annotations

from types import ModuleType

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
