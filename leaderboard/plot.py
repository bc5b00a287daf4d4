"""The Pareto plot as a plotly figure."""

from __future__ import annotations

import plotly.graph_objects as go

from effbench.report.pareto import Picture, Point

FRONT, BEHIND, REFERENCE = "#0072B2", "#999999", "#D55E00"


def pareto_figure(picture: Picture) -> go.Figure:
    """Return points with their intervals as crosses, their names beside them, and the front as a dotted line."""
    figure = go.Figure()
    corners = picture.staircase
    figure.add_scatter(
        x=[x for x, _ in corners],
        y=[y for _, y in corners],
        mode="lines",
        line={"dash": "dot", "color": FRONT, "width": 1.5},
        name="front",
        hoverinfo="skip",
    )
    for point in picture.points:
        _add_point(figure, point)
    figure.update_layout(
        xaxis_title=picture.x.heading, yaxis_title=picture.y.heading, showlegend=False, height=480, font_size=14
    )
    return figure


def _add_point(figure: go.Figure, point: Point) -> None:
    (x, y), (left, right), (low, high) = point.at, point.across, point.upright
    is_reference = point.cell.role == "reference"
    figure.add_scatter(
        x=[x],
        y=[y],
        error_x={"type": "data", "symmetric": False, "array": [right - x], "arrayminus": [x - left], "thickness": 1},
        error_y={"type": "data", "symmetric": False, "array": [high - y], "arrayminus": [y - low], "thickness": 1},
        mode="markers+text",
        marker={
            "size": 11,
            "color": REFERENCE if is_reference else FRONT if point.on_front else BEHIND,
            "symbol": "diamond" if is_reference else "circle",
        },
        text=[point.name],
        textposition="top center",
        name=point.name,
        hovertemplate=f"{point.name}<br>x %{{x:.4g}}<br>y %{{y:.4g}}<extra></extra>",
    )
