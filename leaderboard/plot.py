"""The Pareto plot: two axes to choose, error bars, the front, and exact values on hover."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from effbench.report.caption import level_text, samples_text
from effbench.report.columns import AXES, Column, primary_of
from effbench.report.panel import FRONT as FRONT_COLOUR
from effbench.report.panel import axis_title, colour_of
from effbench.report.pareto import ParetoPicture, ParetoPoint, picture_of, probability_text
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells
from effbench.report.trust import badge_of
from effbench_leaderboard.address import stores_key
from effbench_leaderboard.text import code, escape, plain_label

HEIGHT = 560
"""Pixels: about two thirds of a laptop's screen, so that the choice of axes stays in sight."""

ON_FRONT = "probability of being on the front"
"""Stands in the text over a point; a note under the plot says of what."""

CORNERS = ("top right", "bottom right", "top left", "bottom left")
"""Where names stand, in turns from left to right, so that neighbours do not collide."""


def show_plot(workload: WorkloadCells) -> None:
    """Draw the plot with the choice of its axes and the methods that it cannot show."""
    axes = [axis for axis in AXES if primary_of(workload, axis) is not None]
    if len(axes) < 2:
        st.info("Fewer than two axes have a comparable number, so there is nothing to plot.")
        return
    left, right, _ = st.columns([1, 1, 3])
    across = left.selectbox("Horizontal", axes, index=axes.index("latency") if "latency" in axes else 1, key="across")
    others = [axis for axis in axes if axis != across]
    upright = right.selectbox("Vertical", others, key="upright")
    picture = _picture(stores_key(workload), workload, (across, upright))
    if picture.points:
        st.plotly_chart(figure_of(picture), config={"displaylogo": False}, key="pareto")
        st.caption(
            f"Error bars: {level_text(picture.levels)} intervals. Line: methods that no other one beats on both axes. "
            f"{escape(picture.note)}"
        )
    else:
        st.warning("No method has a number on both axes.")
    for name, reason in picture.left_out:
        st.markdown(f":gray[Not drawn:] {code(name)} :gray[({escape(reason.replace('_', ' '))})]")


@st.cache_resource(max_entries=64, show_spinner=False)
def _picture(key: tuple[tuple[str, str], ...], _workload: WorkloadCells, axes: tuple[str, str]) -> ParetoPicture:
    return picture_of(_workload, axes)


def figure_of(picture: ParetoPicture) -> go.Figure:
    """Return the plotly figure of a picture that has points."""
    figure = go.Figure()
    stairs = picture.staircase
    line = {"color": FRONT_COLOUR, "width": 2}
    figure.add_scatter(
        x=[x for x, _ in stairs],
        y=[y for _, y in stairs],
        mode="lines",
        line=line,
        name="Pareto front",
        hoverinfo="skip",
    )
    ordered = sorted(picture.points, key=lambda point: point.at)
    positions = {point.name: CORNERS[turn % len(CORNERS)] for turn, point in enumerate(ordered)}
    for name, symbol, points in _groups(ordered):
        figure.add_scatter(
            x=[point.at[0] for point in points],
            y=[point.at[1] for point in points],
            error_x=_bars([point.at[0] for point in points], [point.across for point in points], colour_of(points[0])),
            error_y=_bars([point.at[1] for point in points], [point.upright for point in points], colour_of(points[0])),
            mode="markers+text",
            text=[plain_label(point.label) for point in points],
            hovertext=[plain_label(point.name) for point in points],
            textposition=[positions[point.name] for point in points],
            marker={"symbol": symbol, "size": 12, "color": colour_of(points[0]), "line": {"width": 1.5}},
            customdata=[_hover(picture, point) for point in points],
            hovertemplate="<b>%{hovertext}</b><br>%{customdata}<extra></extra>",
            name=name,
        )
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": plain_label(axis_title(picture.x)), "zeroline": False, "showgrid": True},
        yaxis={"title": plain_label(axis_title(picture.y)), "zeroline": False, "showgrid": True},
    )
    return figure


def _groups(points: Sequence[ParetoPoint]) -> list[tuple[str, str, list[ParetoPoint]]]:
    """Return (legend name, marker, points) of each kind that occurs."""
    kinds: dict[tuple[str, str], list[ParetoPoint]] = {}
    for point in points:
        name = "on the front" if point.on_front else "behind the front"
        name = "reference" if point.cell.role == "reference" else name
        symbol = "diamond" if point.cell.role == "reference" else "circle"
        if point.cell.execution == "simulated":
            name, symbol = f"{name} (simulated)", f"{symbol}-open"
        kinds.setdefault((name, symbol), []).append(point)
    return [(name, symbol, members) for (name, symbol), members in kinds.items()]


def _bars(values: Sequence[float], bounds: Sequence[tuple[float, float]], colour: str) -> dict[str, object]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, (_, high) in zip(values, bounds)],
        "arrayminus": [value - low for value, (low, _) in zip(values, bounds)],
        "color": colour,
        "thickness": 1.2,
        "width": 3,
    }


def _hover(picture: ParetoPicture, point: ParetoPoint) -> str:
    def line(column: Column, value: float, low: float | None, high: float | None) -> str:
        text, interval = rounded(value, low, high)
        return str(plain_label(f"{column.label}: {text} {interval} {column.unit}".rstrip()))

    (x, y), on_x, on_y = point.at, point.x, point.y
    likely = [] if point.probability is None else [f"{ON_FRONT}: {probability_text(point.probability)}"]
    return "<br>".join(
        [
            line(picture.x, x, on_x.ci_low, on_x.ci_high),
            line(picture.y, y, on_y.ci_low, on_y.ci_high),
            *likely,
            f"{badge_of(point.cell)}, {samples_text(point.cell)}",
        ]
    )
