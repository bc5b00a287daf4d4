"""The board: one table and one Pareto plot per workload, and where each number comes from. It computes nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import streamlit as st
from effbench_leaderboard.plot import pareto_figure

from effbench.errors import StoreError
from effbench.report.formats import render
from effbench.report.pareto import picture_of
from effbench.report.summarise import Summary, Workload, summarise_stores
from effbench.report.tables import Table, table_of
from effbench.store import read_store

AXES = ("quality", "latency", "memory", "compute", "energy", "preparation")
STORES_VARIABLE = "EFFBENCH_BOARD_STORES"


def store_paths() -> list[Path]:
    """Return the stores given on the command line, or in the environment separated like a search path."""
    given = sys.argv[1:] or [p for p in os.environ.get(STORES_VARIABLE, "").split(os.pathsep) if p]
    return [Path(path) for path in given]


def draw_table(table: Table) -> None:
    """Draw the table of a workload with its caption and notes."""
    rows = []
    for row in table.rows:
        badge = {"real": "🟢 real", "simulated": "🟡 simulated"}.get(row.execution, f"🔴 {row.execution}")
        shown = {"method": row.name, "execution": badge}
        if table.shows_where:
            shown["where"] = row.where
        rows.append(shown | {c.heading: entry.text for c, entry in zip(table.columns, row.entries)})
    st.dataframe(rows, hide_index=True, width="stretch")
    for line in (*table.caption, *(f"{letter}: {text}" for letter, text in table.footnotes), *table.notes):
        st.caption(line)


def draw_pareto(workload: Workload) -> None:
    """Draw two axes of the workload against each other."""
    left, right = st.columns(2)
    x = left.selectbox("x axis", AXES, index=1, key=f"x-{workload.title}")
    y = right.selectbox("y axis", AXES, index=0, key=f"y-{workload.title}")
    if len(workload.places) > 1:
        st.info("The cells ran on several machines or devices: absolute times of different ones are not comparable.")
    picture = picture_of(workload, (x, y))
    if not picture.points:
        st.warning("No method has a number on both axes.")
    else:
        st.plotly_chart(pareto_figure(picture), width="stretch")
    for method, reason in picture.left_out:
        st.caption(f"Not in the picture: {method} ({reason})")


def draw_provenance(workload: Workload) -> None:
    """Draw where the numbers of one chosen cell come from."""
    cell = st.selectbox("cell", workload.cells, format_func=lambda c: c.method_id, key=f"cell-{workload.title}")
    facts = cell.model_dump(mode="json", exclude={"numbers"})
    st.json({**facts, "machine": dict(workload.machines.get(cell.provenance.machine, {}))}, expanded=1)


def draw_downloads(summary: Summary) -> None:
    """Offer all numbers for download."""
    for column, (label, kind, suffix) in zip(
        st.columns(3), [("CSV", "csv", "csv"), ("JSON", "json", "json"), ("LaTeX", "latex", "tex")]
    ):
        column.download_button(f"Download {label}", render(summary, kind), f"effbench.{suffix}", key=f"download-{kind}")


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="EffBench", layout="wide")
    st.title("EffBench")
    paths = store_paths()
    if not paths:
        st.error("No store was given: start the board with `effbench board STORE`.")
        return
    try:
        summary = summarise_stores([read_store(path) for path in paths])
    except StoreError as error:
        st.error(str(error))
        return
    st.caption(
        f"{summary.suite}: quality, latency and memory of the same object, from {', '.join(p.name for p in paths)}"
    )
    if not summary.workloads:
        st.info("The store holds no finished cell yet.")
        return
    titles = [workload.title for workload in summary.workloads]
    chosen = st.selectbox("task", range(len(titles)), format_func=titles.__getitem__)
    workload = summary.workloads[chosen]
    every = st.toggle("all numbers", value=False)
    draw_table(table_of(workload, every))
    draw_downloads(summary)
    st.subheader("Trade-off")
    draw_pareto(workload)
    with st.expander("Where the numbers come from"):
        draw_provenance(workload)


main()
