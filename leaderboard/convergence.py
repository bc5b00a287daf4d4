"""Curves over time: how the metric of a sample came down while each method worked."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import streamlit as st

from effbench.report.columns import Column, has_several_places
from effbench.report.curve_panels import looks_of
from effbench.report.curves import CurvePicture, curve_columns, curve_pictures
from effbench.report.panel import INK, axis_title
from effbench.report.summarise import WorkloadCells
from effbench.stats.curves import WINDOW
from effbench_leaderboard.address import stores_key
from effbench_leaderboard.text import code, escape, plain_label

HEIGHT = 520
"""Pixels: two thirds of a laptop's or a phone's screen, so that the choices above stay in sight."""


def has_curves(workload: WorkloadCells) -> bool:
    """Return whether any method kept a curve over time; raises ``StoreError`` where one is damaged."""
    return bool(_columns(stores_key(workload), workload))


def show_convergence(workload: WorkloadCells) -> None:
    """Draw the curves of one sample, with the choice of sample and metric where there are several."""
    key = stores_key(workload)
    columns = _columns(key, workload)
    if has_several_places(workload):
        st.info("These methods ran on several machines, whose times do not compare; choose one store to see curves.")
        return
    left, right, _ = st.columns([1, 1, 3])
    names = [column.name for column in columns]
    labels = {column.name: column.label for column in columns}
    metric = left.selectbox("Metric", names, format_func=labels.__getitem__, key="curve_metric")
    pictures = _pictures(key, workload, metric)
    place = 0
    if len(pictures) > 1:
        titles = [f"{picture.sample_id}, seed {picture.seed}" for picture in pictures]
        place = titles.index(right.selectbox("Sample", titles, key="curve_sample"))
    picture = pictures[place]
    if picture.curves:
        st.plotly_chart(figure_of(picture), config={"displaylogo": False}, key="curves")
        st.caption(
            f"Means of {WINDOW} steps. A cross is an answer that needs no steps; its dotted line goes on from there."
        )
    for name, reason in picture.left_out:
        st.markdown(f":gray[Not drawn:] {code(name)} :gray[({escape(reason)})]")


@st.cache_resource(max_entries=16, show_spinner=False)
def _columns(key: tuple[tuple[str, str], ...], _workload: WorkloadCells) -> tuple[Column, ...]:
    return curve_columns(_workload)


@st.cache_resource(max_entries=16, show_spinner=False)
def _pictures(key: tuple[tuple[str, str], ...], _workload: WorkloadCells, metric: str) -> tuple[CurvePicture, ...]:
    return curve_pictures(_workload, metric)


def figure_of(picture: CurvePicture) -> go.Figure:
    """Return the plotly figure of a picture that has curves."""
    figure, looks = go.Figure(), looks_of([picture])
    unit = plain_label(picture.column.unit)
    begin, end = picture.span_s
    for curve in picture.curves:
        (colour, is_dashed), is_point = looks[curve.name], len(curve.values) == 1
        dash = "dot" if is_point else "dash" if is_dashed else "solid"
        figure.add_scatter(
            x=[*curve.seconds, *([end] if is_point else [])],
            y=[*curve.values, *(curve.values if is_point else [])],
            mode="lines+markers" if is_point else "lines",
            line={"color": colour, "width": 1 if is_point else 2, "dash": dash},
            marker={"symbol": ["x", "line-ew"], "size": [10, 0], "color": colour},
            name=plain_label(curve.name),
            hovertemplate=f"<b>{plain_label(curve.name)}</b><br>%{{y:.6g}} {unit}<br>after %{{x:.4g}} s<extra></extra>",
        )
    if picture.goal is not None:
        figure.add_scatter(
            x=[begin, end],
            y=[picture.goal] * 2,
            mode="lines",
            line={"color": INK, "width": 1, "dash": "dash"},
            name=plain_label(picture.goal_text),
            hoverinfo="skip",
        )
    scale = "log" if picture.is_logarithmic else "linear"
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={
            "title": "seconds since the sample was given",
            "type": "log",
            "showgrid": True,
            "range": [math.log10(begin), math.log10(end)],
        },
        yaxis={
            "title": plain_label(axis_title(picture.column)),
            "type": scale,
            "showgrid": True,
            "exponentformat": "power",
        },
    )
    return figure
