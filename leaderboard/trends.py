"""A number over a parameter in which tasks differ, as Kendall's tau over labels: lines with intervals, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as html

import plotly.graph_objects as go
import streamlit as st

from effbench.report.columns import Column
from effbench.report.curve_panels import SCREEN_PALETTE
from effbench.report.pareto_choices import in_words
from effbench.report.rounding import rounded
from effbench.report.summarise import WorkloadCells
from effbench.report.trends import Trend, TrendPoint, trend_of
from effbench_leaderboard.address import ADDRESS
from effbench_leaderboard.axes import plain_rules, title_lines, title_room, upright_title
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape, plain_label

HEIGHT, LEFT, BOTTOM = 460, 62, 46
"""Pixels: half of a phone's screen, so that what stands around it is seen with it, and two margins."""

METRIC = "trend_metric"
"""Name in the address, and key of the widget that is bound to it."""

FRAME = "trend-frame"
"""Key of the container that holds the chart."""

SHIFT = 0.03
"""Of the axis: by how much the last method's points stand right of the first's, so that intervals hide none."""


def has_trend(workload: WorkloadCells, every: Sequence[WorkloadCells]) -> bool:
    """Return whether other tasks of these stores differ from this one in a number alone."""
    return trend_of(workload, every) is not None


def show_trend(workload: WorkloadCells, every: Sequence[WorkloadCells]) -> None:
    """Draw one number of every method over the parameter, with the choice of the number, and the same as a table."""
    trend = trend_of(workload, every)
    if trend is None or not trend.columns:
        st.info("No method of these tasks has a number to draw.")
        return
    columns = in_words(trend.columns)
    left, _ = st.columns([2, 3])
    column = columns[left.selectbox("Metric", list(columns), key=METRIC, bind=ADDRESS)]
    lines = trend.lines(column.name)
    st.html(f"<style>{' '.join(plain_rules(FRAME))}</style>")
    put(_legend(list(lines)))
    with st.container(key=FRAME):
        alt = f"{column.label} of {len(lines)} methods over {trend.parameter}. The table below holds the same numbers."
        st.plotly_chart(figure_of(trend, column, lines), config={"displayModeBar": False}, key="trend", alt=alt)
    titles = ", ".join(other.title for other in trend.workloads.values())
    st.caption(escape(f"The tasks {titles} differ in {trend.parameter} alone. Bars are the intervals of the board."))
    put(_rows(trend, column, lines))


def figure_of(trend: Trend, column: Column, lines: dict[str, tuple[TrendPoint, ...]]) -> go.Figure:
    """Return the plotly figure; the parameter's axis is logarithmic where all its values are positive."""
    figure, is_positive = go.Figure(), min(trend.workloads) > 0
    span = max(trend.workloads) - min(trend.workloads)
    unit = plain_label(column.unit)
    for place, (name, points) in enumerate(lines.items()):
        colour, is_dashed = _look(place)
        share = SHIFT * place / max(len(lines) - 1, 1)
        factor = (max(trend.workloads) / min(trend.workloads)) ** share if is_positive else 1.0
        figure.add_scatter(
            x=[p.at * factor if is_positive else p.at + share * span for p in points],
            y=[p.value for p in points],
            customdata=[p.at for p in points],
            error_y={
                "array": [0.0 if p.high is None else p.high - p.value for p in points],
                "arrayminus": [0.0 if p.low is None else p.value - p.low for p in points],
                "thickness": 1,
                "width": 0,
            },
            mode="lines+markers",
            line={"color": colour, "width": 1.5, "dash": "dash" if is_dashed else "solid"},
            marker={"size": 6, "color": colour},
            name=plain_label(name),
            hovertemplate=f"<b>{plain_label(name)}</b><br>%{{y:.4g}} {unit}<br>"
            f"{plain_label(trend.parameter)} %{{customdata:.6g}}<extra></extra>",
        )
    titles = title_lines(column, True)
    values = list(trend.workloads)
    figure.update_layout(
        height=HEIGHT + BOTTOM + title_room(titles),
        margin={"l": LEFT, "r": 14, "t": title_room(titles), "b": BOTTOM, "pad": 0},
        showlegend=False,
        annotations=[upright_title(titles, LEFT)],
        xaxis={
            "title": {"text": plain_label(trend.parameter), "standoff": 8},
            "type": "log" if is_positive else "linear",
            "tickvals": values,
            "ticktext": [f"{value:g}" for value in values],
            "showgrid": True,
            "automargin": False,
        },
        yaxis={"showgrid": True, "automargin": False},
    )
    return figure


def _look(place: int) -> tuple[str, bool]:
    """Return a method's colour, and whether its line is dashed since all colours are taken."""
    return SCREEN_PALETTE[place % len(SCREEN_PALETTE)], place >= len(SCREEN_PALETTE)


def _legend(names: Sequence[str]) -> str:
    """Return which line is whose, as it is drawn; on a phone one below the other."""
    sign = "display: inline-block; width: 1.6em; vertical-align: middle; margin-right: .35em"
    entries = []
    for place, name in enumerate(names):
        colour, is_dashed = _look(place)
        line = f"border-top: 3px {'dashed' if is_dashed else 'solid'} {colour}"
        entries.append(f'<li><span aria-hidden="true" style="{sign}; {line}"></span>{html(name)}</li>')
    return f'<ul class="legend" aria-label="lines">{"".join(entries)}</ul>'


def _rows(trend: Trend, column: Column, lines: dict[str, tuple[TrendPoint, ...]]) -> str:
    heads = "".join(f'<th scope="col">{html(trend.parameter)} {at:g}</th>' for at in trend.workloads)
    body = ""
    for name, points in lines.items():
        known = {point.at: " ".join(filter(None, rounded(point.value, point.low, point.high))) for point in points}
        cells = "".join(
            f'<td data-label="{html(trend.parameter)} {at:g}">{html(known.get(at, "n/a"))}</td>'
            for at in trend.workloads
        )
        body += f'<tr><th scope="row">{html(name)}</th>{cells}</tr>'
    unit = html(f"{column.unit} {column.arrow}".strip())
    head = f'<tr><th scope="col" class="text">method<small>{unit}</small></th>{heads}</tr>'
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
