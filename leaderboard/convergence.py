"""Curves over time: how the metric of a sample came down while each method worked."""

from __future__ import annotations

import math
from collections.abc import Hashable
from html import escape as html
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from effbench.report.columns import Column, has_several_places
from effbench.report.curve_panels import SCREEN_PALETTE, Look, looks_of
from effbench.report.curve_table import curve_rows
from effbench.report.curves import CurvePicture, MetricCurve, curve_columns, curve_pictures
from effbench.report.panel import BEHIND
from effbench.report.pareto import not_drawn_lines
from effbench.report.pareto_choices import in_words
from effbench.report.summarise import WorkloadCells
from effbench.stats.curves import WINDOW
from effbench_leaderboard.address import ADDRESS, ENTRY_TAB, METHOD, TAB, TASK, link
from effbench_leaderboard.axes import FONT_PX, plain_rules, title_lines, title_room, upright_title
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape, plain_label

HEIGHT = 460
"""Pixels of the plot: half of a phone's screen, so that what stands around it is seen with it."""

LEFT, BOTTOM = 62, 46
"""Margins in pixels: numbers with a power of ten, and numbers above the title of the horizontal axis."""

METRIC, SAMPLE = "curve_metric", "curve_sample"
"""Names in the address, and keys of the widgets that are bound to them."""

FRAME = "curves-frame"
"""Key of the container that holds the chart."""

LINES = {"solid": "solid", "dash": "dashed", "dot": "dotted"}
"""Plotly's name of a line -> that of a style sheet."""


def has_curves(workload: WorkloadCells) -> bool:
    """Return whether any method kept a curve over time; raises ``StoreError`` where one is damaged."""
    return bool(_columns(workload.key, workload))


def show_convergence(workload: WorkloadCells) -> None:
    """Draw the curves of one sample, with the choice of sample and metric, and where each ended as a table."""
    key = workload.key
    columns = in_words(_columns(key, workload))
    if has_several_places(workload):
        st.info("These methods ran on several machines, whose times do not compare; choose one store to see curves.")
        return
    left, right, _ = st.columns([2, 2, 1])
    metric = left.selectbox("Metric", list(columns), key=METRIC, bind=ADDRESS)
    pictures = {_title(picture): picture for picture in _pictures(key, workload, columns[metric].name)}
    chosen = right.selectbox("Sample", list(pictures), key=SAMPLE, bind=ADDRESS)
    picture = pictures[chosen]
    if picture.curves:
        looks = looks_of([picture], SCREEN_PALETTE)
        st.html(f"<style>{' '.join(plain_rules(FRAME))}</style>")
        put(_legend(picture, looks))
        with st.container(key=FRAME):
            config = {"displayModeBar": False}
            st.plotly_chart(figure_of(picture, looks), config=config, key="curves", alt=_described(picture))
        st.caption(
            f"Means of {WINDOW} steps. A cross is an answer that needs no steps; its dotted line goes on from there. "
            "A goal is reached when the mean stays at it or better from then on."
        )
        put(_rows(workload, picture))
    for line in not_drawn_lines(picture.left_out):
        st.caption(escape(line))


@st.cache_resource(max_entries=16, show_spinner=False)
def _columns(key: Hashable, _workload: WorkloadCells) -> tuple[Column, ...]:
    return curve_columns(_workload)


@st.cache_resource(max_entries=16, show_spinner=False)
def _pictures(key: Hashable, _workload: WorkloadCells, metric: str) -> tuple[CurvePicture, ...]:
    return curve_pictures(_workload, metric)


def _title(picture: CurvePicture) -> str:
    return f"{picture.sample_id}, seed {picture.seed}"


def figure_of(picture: CurvePicture, looks: dict[str, Look]) -> go.Figure:
    """Return the plotly figure of a picture that has curves."""
    figure = go.Figure()
    unit = plain_label(picture.column.unit)
    begin, end = picture.span_s
    for curve in picture.curves:
        (colour, _), is_point = looks[curve.name], len(curve.values) == 1
        figure.add_scatter(
            x=[*curve.seconds, *([end] if is_point else [])],
            y=[*curve.values, *(curve.values if is_point else [])],
            mode="lines+markers" if is_point else "lines",
            line={"color": colour, "width": 1 if is_point else 2, "dash": _dash(curve, looks)},
            marker={"symbol": ["x", "line-ew"], "size": [10, 0], "color": colour},
            name=plain_label(curve.name),
            hovertemplate=f"<b>{plain_label(curve.name)}</b><br>%{{y:.6g}} {unit}<br>after %{{x:.4g}} s<extra></extra>",
        )
    titles = title_lines(picture.column, True)
    notes = [upright_title(titles, LEFT)]
    if picture.goal is not None and (picture.goal > 0 or not picture.is_logarithmic):
        line = {"color": BEHIND, "width": 1.5, "dash": "dash"}
        figure.add_scatter(x=[begin, end], y=[picture.goal] * 2, mode="lines", line=line, name="goal", hoverinfo="skip")
        notes.append(_goal_note(picture))
    figure.update_layout(
        height=HEIGHT + BOTTOM + title_room(titles),
        margin={"l": LEFT, "r": 14, "t": title_room(titles), "b": BOTTOM, "pad": 0},
        showlegend=False,
        annotations=notes,
        xaxis={
            "title": {"text": "seconds since the sample was given", "standoff": 8},
            "type": "log",
            "showgrid": True,
            "automargin": False,
            "range": [math.log10(begin), math.log10(end)],
        },
        yaxis={
            "type": "log" if picture.is_logarithmic else "linear",
            "showgrid": True,
            "automargin": False,
            "exponentformat": "power",
        },
    )
    return figure


def _goal_note(picture: CurvePicture) -> dict[str, Any]:
    """Return what the line of the goal says, above its left end."""
    goal = picture.goal or 0.0
    return {
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": math.log10(goal) if picture.is_logarithmic else goal,
        "yref": "y",
        "yanchor": "bottom",
        "showarrow": False,
        "text": plain_label(picture.goal_text),
        "font": {"size": FONT_PX},
    }


def _dash(curve: MetricCurve, looks: dict[str, Look]) -> str:
    return "dot" if len(curve.values) == 1 else "dash" if looks[curve.name].is_dashed else "solid"


def _legend(picture: CurvePicture, looks: dict[str, Look]) -> str:
    """Return which line is whose, as it is drawn; on a phone one below the other."""
    entries = []
    for curve in picture.curves:
        look = f"{LINES[_dash(curve, looks)]} {looks[curve.name].colour}"
        sign = "display: inline-block; width: 1.6em; vertical-align: middle; margin-right: .35em"
        entries.append(
            f'<li style="white-space: normal; overflow-wrap: anywhere"><span aria-hidden="true" '
            f'style="{sign}; border-top: 3px {look}"></span>{html(curve.name)}</li>'
        )
    return f'<ul class="legend" aria-label="lines">{"".join(entries)}</ul>'


def _described(picture: CurvePicture) -> str:
    """Return what the picture shows, in words, for who cannot see it."""
    return (
        f"{picture.column.label} of {len(picture.curves)} methods over time, on {picture.sample_id}, seed {picture.seed}. "
        "The table below says where each ended."
    )


def _rows(workload: WorkloadCells, picture: CurvePicture) -> str:
    unit = f"<small>{html(f'{picture.column.unit} {picture.column.arrow}'.strip())}</small>"
    goal = picture.goal_text
    head = f'<th scope="col" class="text">method</th><th scope="col">last mean{unit}</th><th scope="col">after</th>'
    head += f'<th scope="col">{html(goal)} after</th>' if goal else ""
    body = ""
    for row in curve_rows(picture):
        where = html(link(**{TASK: workload.title, TAB: ENTRY_TAB, METHOD: row.name}))
        cells = f'<th scope="row"><a href="{where}" target="_self">{html(row.name)}</a></th>'
        cells += f'<td data-label="last mean {html(picture.column.unit)}">{html(row.last)}</td>'
        cells += f'<td data-label="after">{row.seconds}</td>'
        cells += f'<td data-label="{html(goal)} after">{row.reached}</td>' if goal else ""
        body += f"<tr>{cells}</tr>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
