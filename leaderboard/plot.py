"""The Pareto tab: two numbers to choose, the picture of them, and the same as a table whose names lead to the methods."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import streamlit as st

from effbench.report.figures import draw
from effbench.report.panel import kinds_of
from effbench.report.pareto import ParetoPicture, picture_of
from effbench.report.pareto_choices import AxisChoices, axis_choices, has_choices
from effbench.report.pareto_names import RULE, PlacedName
from effbench.report.pareto_table import picture_text, rows_of
from effbench.report.summarise import WorkloadCells
from effbench_leaderboard.address import ADDRESS, open_method
from effbench_leaderboard.pareto_figure import FRAME, WIDTHS, figure_of, names_for_widths, style_of
from effbench_leaderboard.pareto_rows import legend_html, rows_html
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape

X, Y, LOG, PAGE_OF_ROWS = "x", "y", "log", "points"
"""Names in the address, and keys of the widgets that are bound to them."""

HORIZONTAL, VERTICAL = "horizontal", "vertical"
"""The axes that may be logarithmic."""

CHART = "pareto"
"""Key of the chart."""

MOST_ROWS = 50
"""Rows of a page of the table: a browser lays out a hundred in a blink, and the picture stands above them already."""


def has_plot(workload: WorkloadCells) -> bool:
    """Return whether there are two numbers to draw."""
    return has_choices(workload)


def show_plot(workload: WorkloadCells) -> None:
    """Draw the picture with the choice of its axes, what it cannot show, its files and its table."""
    key = workload.key
    choices, first = _choices(key, workload)
    left, middle, right = st.columns([2, 2, 1])
    options = list(choices)
    x = left.selectbox("Horizontal", options, index=options.index(first[0]), key=X, bind=ADDRESS)
    y = middle.selectbox("Vertical", options, index=options.index(first[1]), key=Y, bind=ADDRESS)
    if x == y:
        st.info("Choose two different numbers.")
        return
    axes, logarithmic = (choices[x].name, choices[y].name), (False, False)
    picture = _picture(key, workload, axes)
    spanning = [axis for axis, spans in zip((HORIZONTAL, VERTICAL), picture.spans_decades) if spans]
    if spanning:
        chosen = right.pills("Logarithmic", spanning, selection_mode="multi", key=LOG, bind=ADDRESS)
        logarithmic = HORIZONTAL in chosen, VERTICAL in chosen
        picture = picture.drawn(logarithmic)
    if not picture.points:
        st.warning("No method has both numbers.")
    else:
        _show_chart(picture, _names(key, picture, axes, logarithmic))
        _show_files(workload, picture)
        _show_rows(workload, picture)
    for line in picture.not_drawn:
        st.caption(escape(line))


@st.cache_resource(max_entries=64, show_spinner=False)
def _choices(key: Hashable, _workload: WorkloadCells) -> AxisChoices:
    return axis_choices(_workload)


@st.cache_resource(max_entries=64, show_spinner=False)
def _picture(key: Hashable, _workload: WorkloadCells, axes: tuple[str, str]) -> ParetoPicture:
    return picture_of(_workload, axes)


@st.cache_resource(max_entries=64, show_spinner=False)
def _names(
    key: Hashable, _picture: ParetoPicture, axes: tuple[str, str], logarithmic: tuple[bool, bool]
) -> tuple[tuple[PlacedName, ...], ...]:
    placed: tuple[tuple[PlacedName, ...], ...] = names_for_widths(_picture)
    return placed


def _show_chart(picture: ParetoPicture, names: Sequence[Sequence[PlacedName]]) -> None:
    st.html(style_of(names))
    put(legend_html(kinds_of(picture.points)))
    with st.container(key=FRAME):
        st.plotly_chart(
            figure_of(picture, names),
            width=WIDTHS[-1],
            config={"displayModeBar": False},
            key=CHART,
            on_select=partial(_open_clicked, [point.name for point in picture.points]),
            selection_mode="points",
            alt=picture_text(picture),
        )
    notes = ["A name below opens its method, and so does a click on its point.", picture.bars_text, picture.note]
    if any(len(placed) < len(picture.points) for placed in names):
        notes.append(RULE)
    st.caption(escape(" ".join(filter(None, notes))))


def _open_clicked(names: Sequence[str]) -> None:
    """Open the method of the point that was clicked; what a browser sends back is no more than a place among the points."""
    for point in st.session_state[CHART]["selection"]["points"]:
        place = point.get("customdata")
        place = place[0] if isinstance(place, list) and place else place
        if isinstance(place, int) and 0 <= place < len(names):
            open_method(names[place])
            return


def _show_files(workload: WorkloadCells, picture: ParetoPicture) -> None:
    """Offer the picture as one would put it into a paper; it is drawn when asked for."""
    name = _plain(f"{workload.title}-{picture.x.name}-{picture.y.name}")

    def content(kind: str) -> Callable[[], bytes]:
        return lambda: draw([picture], kind)

    with st.container(horizontal=True):
        for kind, mime in (("svg", "image/svg+xml"), ("png", "image/png")):
            st.download_button(
                kind.upper(),
                content(kind),
                f"{name}.{kind}",
                mime,
                key=f"pareto-{kind}",
                icon=":material/download:",
                on_click="ignore",
            )


def _show_rows(workload: WorkloadCells, picture: ParetoPicture) -> None:
    """Draw the picture as a table, for who does not see it or does not click on points."""
    rows = rows_of(picture)
    pages = -(-len(rows) // MOST_ROWS)
    page = int(st.number_input("Page", 1, pages, key=PAGE_OF_ROWS, bind=ADDRESS, width=140)) if pages > 1 else 1
    put(rows_html(workload.title, picture, rows[(page - 1) * MOST_ROWS : page * MOST_ROWS]))


def _plain(text: str) -> str:
    """Return a name of a file."""
    return "".join(character if character.isalnum() else "-" for character in text).strip("-")[:100]
