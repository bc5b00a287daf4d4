"""The page of the leaderboard; ``effbench board STORE...`` starts it.

Stores come as arguments behind ``--``, or in the environment variable ``EFFBENCH_BOARD_STORES`` (separated as in PATH).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import streamlit as st

import effbench.store
from effbench.errors import StoreError
from effbench.report.columns import (
    ALL_WORD,
    FACTS,
    HEADLINE_WORD,
    has_several_places,
    of_slice,
    slices_of,
)
from effbench.report.summarise import Summary, WorkloadCells, summarise_stores
from effbench.store import StoreView
from effbench_leaderboard.address import ADDRESS, ENTRY_TAB, TAB, TASK
from effbench_leaderboard.comparison import show_table
from effbench_leaderboard.convergence import has_curves, show_convergence
from effbench_leaderboard.ledger import has_claims, show_ledger
from effbench_leaderboard.origin import show_origins
from effbench_leaderboard.plot import show_plot
from effbench_leaderboard.samples import has_samples, show_samples
from effbench_leaderboard.text import code, escape

STORES_VARIABLE = "EFFBENCH_BOARD_STORES"
"""Names stores to a page that Streamlit was told to serve without arguments (a container, a test)."""

ALL_SAMPLES = "all samples"
"""What stands before the slices; no slice is called so, since each has an equals sign."""


def store_paths() -> list[Path]:
    """Return the stores to show: those of the environment variable where it is set, else the arguments."""
    variable = os.environ.get(STORES_VARIABLE)
    named = variable.split(os.pathsep) if variable is not None else sys.argv[1:]
    return [Path(name) for name in dict.fromkeys(named) if name]


def readable(paths: Sequence[Path]) -> list[StoreView]:
    """Return the stores that can be read and hold a finished cell; say of each other one why it is missing."""
    views = []
    for path in paths:
        try:
            view = effbench.store.read_store(path)
        except StoreError as error:
            st.error(escape(str(error)), icon=":material/error:")
            continue
        if view.unfinished:
            names = ", ".join(map(code, view.unfinished))
            st.info(f"{escape(path.name)}: not finished yet: {names}", icon=":material/hourglass_empty:")
        if view.cells:
            views.append(view)
    return views


def choose(paths: Sequence[Path]) -> tuple[Summary, WorkloadCells, tuple[str, ...]] | None:
    """Draw the side bar and return (summary, chosen workload, columns picked), or None without a cell."""
    with st.sidebar:
        st.header("EffBench", divider="gray")
        chosen = paths
        if len(paths) > 1:
            chosen = st.multiselect("Stores", paths, default=paths, format_func=lambda path: path.name, key="stores")
    views = readable(chosen)
    summary = summarise_stores(views)
    if not summary.workloads:
        return None
    with st.sidebar:
        titles = [workload.title for workload in summary.workloads]
        title = st.selectbox("Task", titles, key=TASK, bind=ADDRESS)
        workload = summary.workloads[titles.index(title)]
        every = st.toggle("Every number", key="every", bind=ADDRESS, help="Show all numbers, not only the headline.")
        picked: tuple[str, ...] = (ALL_WORD,) if every else ()
        if slices := slices_of(workload):
            chosen_slice = st.selectbox("Samples", [ALL_SAMPLES, *slices], key="slice", bind=ADDRESS)
            picked = picked if chosen_slice == ALL_SAMPLES else of_slice(workload, chosen_slice, picked)
        if any(number.axis == FACTS for cell in workload.cells for number in cell.numbers):
            facts = st.toggle(
                "Facts", key="facts", bind=ADDRESS, help="What methods computed about themselves; nobody measured it."
            )
            picked = (*(picked or (HEADLINE_WORD,)), FACTS) if facts else picked
    return summary, workload, picked


def show(summary: Summary, workload: WorkloadCells, picked: tuple[str, ...]) -> None:
    """Draw the chosen workload."""
    st.title(escape(workload.title), anchor=False)
    st.caption(
        f"Suite {escape(', '.join(workload.suites))}: quality, latency and memory of {len(workload.cells)} methods."
    )
    if has_several_places(workload):
        st.info(
            "These methods ran on several machines or devices. Absolute times are not comparable between them and are "
            "left out; `speedup` is the ratio to the reference timed in the same rounds.",
            icon=":material/compare_arrows:",
        )
    drawn: dict[str, Callable[[], None]] = {
        "Board": partial(show_table, summary, workload, picked),
        "Pareto": partial(show_plot, workload),
        **({"Convergence": partial(show_convergence, workload)} if _has(has_curves, workload) else {}),
        **({"Samples": partial(show_samples, workload)} if _has(has_samples, workload) else {}),
        **({"Claims": partial(show_ledger, workload)} if _has(has_claims, workload) else {}),
        ENTRY_TAB: partial(show_origins, workload),
    }
    # Only the open tab is computed: over a thousand methods each of them takes seconds.
    for tab, draw in zip(st.tabs(list(drawn), key=TAB, on_change="rerun", bind=ADDRESS), drawn.values()):
        if tab.open:
            with tab:
                _or_sentence(draw)


def _has(some: Callable[[WorkloadCells], bool], workload: WorkloadCells) -> bool:
    """Return whether a tab has something to show; what is damaged is to be seen there."""
    try:
        return some(workload)
    except StoreError:
        return True


def _or_sentence(draw: Callable[[], None]) -> None:
    """Draw a tab; where a file that only it needs is damaged, say so there, and the others stand."""
    try:
        draw()
    except StoreError as error:
        st.error(escape(str(error)), icon=":material/error:")


def main() -> None:
    """Draw the page."""
    st.set_page_config(page_title="EffBench", page_icon=":material/speed:", layout="wide")
    paths = store_paths()
    if not paths:
        st.error(
            f"No store was given: run `effbench board STORE...`, or set {STORES_VARIABLE}.", icon=":material/error:"
        )
        return
    chosen = choose(paths)
    if chosen is None:
        st.warning("There is nothing to show: no chosen store holds a finished cell.", icon=":material/inbox:")
        return
    show(*chosen)


main()
