"""The Board tab: the table of a workload with its order, filters, columns and downloads."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from effbench.counted import counted
from effbench.report.board import BoardRow, board_rows, orders_of
from effbench.report.columns import (
    ALL_WORD,
    FACTS,
    HEADLINE_WORD,
    Column,
    columns_of,
    has_several_places,
    of_slice,
    primary_of,
    recorded,
    slices_of,
)
from effbench.report.facets import checked_by, facets_of, matching, store_of
from effbench.report.formats import render_csv, render_json
from effbench.report.joint import Probabilities, stability_of
from effbench.report.latex import render_latex
from effbench.report.summarise import Summary, WorkloadCells
from effbench.report.tables import Table, table_of
from effbench_leaderboard.address import ADDRESS
from effbench_leaderboard.rows import table_html
from effbench_leaderboard.stores import licences_of
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape

ALL_SAMPLES = "all samples"
"""What stands before the slices; no slice is called so, since each has an equals sign."""

ROWS_PER_PAGE = 100
"""Rows drawn at once: a browser lays out a hundred in a blink and two thousand in seconds."""


def show_board(summary: Summary, workload: WorkloadCells) -> None:
    """Draw the controls, the table with what stands under it, and the downloads."""
    if has_several_places(workload):
        st.info(
            "These methods ran on several machines or devices. Absolute times are not comparable between them and are "
            "left out; `speedup` is the ratio to the reference timed in the same rounds.",
            icon=":material/compare_arrows:",
        )
    facets = _facets(workload.key, workload)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        place = st.container(width=220)
        words = st.text_input("Search", key="q", bind=ADDRESS, placeholder="part of a name", width=180)
        with st.popover("Filters", icon=":material/filter_list:"):
            chosen = {
                name: st.multiselect(name.capitalize(), sorted(set(values)), key=f"f_{name}", bind=ADDRESS)
                for name, values in facets.items()
            }
            if not facets:
                st.caption("All methods here ran alike: there is nothing to filter by.")
        with st.popover("Columns", icon=":material/view_column:"):
            picked = _picked(workload)
            says = (
                "In which share of resamples of the samples a method keeps its rank; takes a while over many methods."
            )
            is_sure = st.toggle("How sure ranks are", key="sure", bind=ADDRESS, help=says)
    table = _table(workload.key, workload, picked)
    with place:
        titles = {column.name: column.label for column in table.columns}
        order = st.selectbox(
            "Order", orders_of(table), format_func=lambda name: titles.get(name, name), key="order", bind=ADDRESS
        )
    shown = matching(workload, facets, chosen, words or "")
    rows = _page(board_rows(workload, table, order, shown))
    put(table_html(workload, table, rows, checked_by(workload), _kept(workload) if is_sure else {}))
    if len(shown) < len(workload.cells):
        st.caption(
            f"{len(shown)} of {counted(len(workload.cells), 'method')} shown, references always; "
            "ranks are among all of them."
        )
    st.caption("  \n".join(escape(line) for line in table.under))
    _downloads(summary, workload, table)


def _picked(workload: WorkloadCells) -> tuple[str, ...]:
    """Draw the choice of columns and return it as ``columns_of`` takes it."""
    every = st.toggle("Every number", key="every", bind=ADDRESS, help="All that was measured, not only the headline.")
    picked: tuple[str, ...] = (ALL_WORD,) if every else ()
    columns = recorded(workload)
    labels = {column.name: f"{column.label} ({column.axis})" for column in columns if column.is_plain}
    headline = [column.name for column in columns_of(workload)]
    if not every:
        names = st.multiselect(
            "Besides the headline",
            [name for name in labels if name not in headline],
            format_func=labels.__getitem__,
            key="columns",
            bind=ADDRESS,
        )
        picked = (HEADLINE_WORD, *names) if names else ()
    if slices := slices_of(workload):
        chosen = st.selectbox("Samples", [ALL_SAMPLES, *slices], key="slice", bind=ADDRESS)
        picked = picked if chosen == ALL_SAMPLES else of_slice(workload, chosen, picked)
    if any(column.axis == FACTS for column in columns):
        says = "What methods computed about themselves; nobody measured it."
        if st.toggle("Facts", key="facts", bind=ADDRESS, help=says):
            picked = (*(picked or (HEADLINE_WORD,)), FACTS)
    return picked


def _page(rows: Sequence[BoardRow]) -> Sequence[BoardRow]:
    """Draw the choice of a page where there are several, and return its rows; references stand on each."""
    pinned = [row for row in rows if row.row.is_reference]
    others = rows[len(pinned) :]
    pages = -(-len(others) // ROWS_PER_PAGE)
    if pages < 2:
        return rows
    page = int(st.number_input("Page", 1, pages, key="rows", bind=ADDRESS, help=f"{len(others)} rows", width=140))
    return [*pinned, *others[(page - 1) * ROWS_PER_PAGE : page * ROWS_PER_PAGE]]


@st.cache_resource(max_entries=32, show_spinner=False)
def _table(key: str, _workload: WorkloadCells, picked: tuple[str, ...]) -> Table:
    return table_of(_workload, picked)


@st.cache_resource(max_entries=32, show_spinner=False)
def _facets(key: str, _workload: WorkloadCells) -> dict[str, tuple[str, ...]]:
    stores = {store_of(_workload, at) for at in range(len(_workload.cells))}
    return facets_of(_workload, licences_of(stores))


def _kept(workload: WorkloadCells) -> dict[str, dict[int, float]]:
    """Return the primary quality -> position of a cell -> share of resamples in which it keeps its rank, or say why not."""
    primary = primary_of(workload, "quality")
    if primary is None:
        return {}
    found = _stability(workload.key, workload, primary)
    if found.missing:
        st.caption(f"How sure ranks are is not known: {escape(found.missing)}.")
    return {primary.name: {at: share for at, share in enumerate(found.values) if share is not None}}


@st.cache_resource(max_entries=32, show_spinner=False)
def _stability(key: str, _workload: WorkloadCells, _column: Column) -> Probabilities:
    return stability_of(_workload, _column)


def _downloads(summary: Summary, workload: WorkloadCells, table: Table) -> None:
    """Draw the buttons; what they give is made when one is pressed."""
    name = "".join(character if character.isalnum() else "-" for character in workload.title).strip("-")
    alone = Summary(summary.suite, (workload,))
    files = (
        ("CSV", f"{name}.csv", "text/csv", lambda: render_csv(workload.numbers)),
        ("JSON", f"{name}.json", "application/json", lambda: render_json(alone)),
        ("LaTeX", f"{name}.tex", "application/x-tex", lambda: render_latex([table])),
    )
    with st.container(horizontal=True):
        for label, file, kind, content in files:
            st.download_button(
                label, content, file, kind, key=f"download-{label}", icon=":material/download:", on_click="ignore"
            )
