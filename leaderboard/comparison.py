"""The comparison table: one row per method, numbers that sort as numbers, their intervals or reasons beside them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from effbench.report.columns import Column, primary_of
from effbench.report.formats import render_csv, render_json
from effbench.report.joint import Probabilities, stability_of
from effbench.report.latex import render_latex
from effbench.report.ranks import RANK_TEXT
from effbench.report.summarise import Summary, WorkloadCells
from effbench.report.tables import Table, TableEntry, TableRow, superscript, table_of
from effbench.report.trust import noise_text
from effbench_leaderboard.address import ADDRESS, stores_key
from effbench_leaderboard.text import escape

SYMBOLS = {"real verified": "●", "real unverified": "◐", "simulated": "○"}
FAILED_SYMBOL = "✕"
"""Badge -> its symbol, the fuller the more is shown; told apart without colour."""

GREY = "color: #9aa0a6"
"""Of a difference that the subset cannot resolve: readable on white and on black."""


def show_table(summary: Summary, workload: WorkloadCells, picked: Sequence[str]) -> None:
    """Draw the table of a workload with its caption, footnotes and downloads."""
    table = table_of(workload, picked)
    kinds = list(dict.fromkeys(row.execution.partition(" ")[0] for row in table.rows))
    shown = kinds
    if len(kinds) > 1:
        shown = st.pills(
            "Show",
            kinds,
            selection_mode="multi",
            default=kinds,
            key="kinds",
            bind=ADDRESS,
            label_visibility="collapsed",
        )
    rows = [row for row in table.rows if row.execution.partition(" ")[0] in shown]
    kept = _kept(workload)
    st.dataframe(
        _greyed(_frame(table, rows, kept), table, rows),
        hide_index=True,
        height="content",
        placeholder="",
        column_config=_configuration(table, kept),
        key="table",
    )
    st.caption("  \n".join(escape(line) for line in table.under))
    _downloads(summary, workload, table)


def _greyed(frame: pd.DataFrame, table: Table, rows: Sequence[TableRow]) -> Any:
    """Return the frame, in grey what the subset cannot tell from the reference."""
    grey = [
        (at, column.name)
        for at, row in enumerate(rows)
        for column, entry in zip(table.columns, row.entries)
        if entry.is_grey
    ]
    if not grey:
        return frame
    looks = pd.DataFrame("", index=frame.index, columns=frame.columns)
    for at, name in grey:
        looks.loc[looks.index[at], [title for title in _titles(name) if title in frame.columns]] = GREY
    formats = {column.name: partial(_printed, _number_format(table, column)) for column in table.columns}
    return frame.style.apply(lambda _: looks, axis=None).format(formats)


def _titles(name: str) -> tuple[str, ...]:
    """Return the titles that columns of a number have: value, what stands beside it, rank, and share of ranks kept."""
    return name, f"{name} ±", f"{name} #", f"{name} kept"


def _printed(form: str, value: float) -> str:
    """Return a value as a column's number format shows it: a styled frame brings its own texts."""
    return "" if pd.isna(value) else f"{value:.3e}" if form == "scientific" else form % value


def badge(name: str) -> str:
    """Return a badge with its symbol: ``● real verified``."""
    return f"{SYMBOLS.get(name, FAILED_SYMBOL)} {name}"


def _kept(workload: WorkloadCells) -> dict[str, dict[int, float]]:
    """Return the primary quality -> id of a record -> share of resamples in which it keeps its rank, where known."""
    primary = primary_of(workload, "quality")
    if primary is None:
        return {}
    found = _stability(stores_key(workload), workload, primary)
    shares = {id(cell): share for cell, share in zip(workload.cells, found.values) if share is not None}
    return {primary.name: shares} if shares else {}


@st.cache_resource(max_entries=32, show_spinner=False)
def _stability(key: tuple[tuple[str, str], ...], _workload: WorkloadCells, _column: Column) -> Probabilities:
    return stability_of(_workload, _column)


def _frame(table: Table, rows: Sequence[TableRow], kept: dict[str, dict[int, float]]) -> pd.DataFrame:
    """Return the rows of a table that are shown; a column that says nothing of any row of the table is left out."""
    found: dict[str, list[Any]] = {
        "method": [row.name for row in rows],
        "execution": [badge(row.badge) for row in rows],
    }
    if any(row.cell.noise for row in table.rows):
        found["noise"] = [noise_text([row.cell.noise]) if row.cell.noise else "" for row in rows]
    if table.shows_where:
        found["where"] = [row.where for row in rows]
    for at, column in enumerate(table.columns):
        entries = [row.entries[at] for row in rows]
        found[column.name] = [float(entry.value) if entry.value else None for entry in entries]
        if any(_beside(row.entries[at]) for row in table.rows):
            found[f"{column.name} ±"] = [_beside(entry) for entry in entries]
        if any(row.entries[at].rank for row in table.rows):
            found[f"{column.name} #"] = [entry.rank for entry in entries]
        if column.name in kept:
            found[f"{column.name} kept"] = [kept[column.name].get(id(row.cell)) for row in rows]
    return pd.DataFrame(found)


def _configuration(table: Table, kept: dict[str, dict[int, float]]) -> dict[str, Any]:
    """Return the look of each data frame column."""
    look = st.column_config
    found: dict[str, Any] = {
        "method": look.TextColumn("method", pinned=True),
        "execution": look.TextColumn(
            "execution",
            help="real: what was scored is what was timed, verified where every honesty check found its evidence "
            "(see Entry); simulated: quality only",
        ),
        "noise": look.TextColumn("noise", help="how quiet the machine was while this was timed: A, B or C"),
        "where": look.TextColumn("where", help="what tells the places apart: machine, device, dtype"),
    }
    for column in table.columns:
        what = f"{escape(column.name)}, {column.axis}; {'higher' if column.higher_is_better else 'lower'} is better"
        found[column.name] = look.NumberColumn(column.heading, help=what, format=_number_format(table, column))
        found[f"{column.name} ±"] = look.TextColumn(
            "interval", help="interval of the number to the left, or why it is missing"
        )
        found[f"{column.name} #"] = look.NumberColumn("rank", help=RANK_TEXT, format="#%d")
        if column.name in kept:
            found[f"{column.name} kept"] = look.NumberColumn(
                "rank kept",
                help="share of resamples of the samples in which the method keeps its rank",
                format="percent",
            )
    return found


def _number_format(table: Table, column: Column) -> str:
    """Return the printf format that shows as many decimals as the most precise value of a column has."""
    values = [row.entries[table.columns.index(column)].value for row in table.rows]
    if any("e" in value for value in values):
        return "scientific"
    return f"%.{max(len(value.partition('.')[2]) for value in values)}f"


def _beside(entry: TableEntry) -> str:
    """Return what stands beside a value: footnote marks with its interval, or why there is none."""
    text = entry.interval if entry.value else entry.text
    return f"{text} {superscript(entry.marks)}".strip() if entry.value else text


def _downloads(summary: Summary, workload: WorkloadCells, table: Table) -> None:
    name = "".join(character if character.isalnum() else "-" for character in workload.title).strip("-")
    files = (
        ("CSV", f"{name}.csv", "text/csv", render_csv(workload.numbers)),
        ("JSON", f"{name}.json", "application/json", render_json(Summary(summary.suite, (workload,)))),
        ("LaTeX", f"{name}.tex", "application/x-tex", render_latex([table])),
    )
    with st.container(horizontal=True):
        for label, file, kind, content in files:
            st.download_button(
                label, content, file, kind, key=f"download-{label}", icon=":material/download:", on_click="ignore"
            )
