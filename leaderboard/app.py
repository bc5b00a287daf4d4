"""The leaderboard; ``effbench board STORE...`` starts it.

Stores come as arguments behind ``--``, or in the environment variable ``EFFBENCH_BOARD_STORES`` (separated as in PATH).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from effbench.errors import StoreError
from effbench.report.summarise import Summary, WorkloadCells
from effbench_leaderboard.address import ADDRESS, ENTRY_TAB, METHOD, METHODS, PAGE, RESULTS, START, TAB, TASK
from effbench_leaderboard.board import show_board
from effbench_leaderboard.compare import has_compare, show_compare
from effbench_leaderboard.convergence import has_curves, show_convergence
from effbench_leaderboard.entry import show_entry
from effbench_leaderboard.ledger import has_claims, show_ledger
from effbench_leaderboard.methods import show_methods
from effbench_leaderboard.plot import has_plot, show_plot
from effbench_leaderboard.samples import has_samples, show_samples
from effbench_leaderboard.start import show_start
from effbench_leaderboard.stores import read, store_paths
from effbench_leaderboard.style import put_style
from effbench_leaderboard.subsets import has_subset, show_subset
from effbench_leaderboard.text import escape
from effbench_leaderboard.trends import has_trend, show_trend


def show_results(summary: Summary, place: DeltaGenerator) -> None:
    """Draw the choice of a task at its place and the tabs below."""
    titles = [workload.title for workload in summary.workloads]
    # Without a default, since an address leaves defaults out, and the first task is another one over other stores.
    chosen = place.selectbox(
        "Task",
        titles,
        index=None,
        placeholder=titles[0],
        key=TASK,
        bind=ADDRESS,
        label_visibility="collapsed",
        width=320,
    )
    title = chosen if chosen is not None else titles[0]
    workload, every = summary.workloads[titles.index(title)], summary.workloads
    place.caption(escape(_described(workload)), width="content")
    drawn: dict[str, Callable[[], None]] = {
        "Board": partial(show_board, summary, workload),
        **({"Pareto": partial(show_plot, workload)} if _has(has_plot, workload) else {}),
        **({"Compare": partial(show_compare, workload)} if has_compare(workload) else {}),
        **({"Convergence": partial(show_convergence, workload)} if _has(has_curves, workload) else {}),
        **({"Trend": partial(show_trend, workload, every)} if has_trend(workload, every) else {}),
        **({"Samples": partial(show_samples, workload)} if _has(has_samples, workload) else {}),
        **({"Claims": partial(show_ledger, workload)} if _has(has_claims, workload) else {}),
        **({"Subsets": partial(show_subset, workload)} if _has(has_subset, workload) else {}),
        ENTRY_TAB: partial(show_entry, workload),
    }
    # Only the open tab is computed: over a thousand methods each of them takes seconds.
    for tab, draw in zip(st.tabs(list(drawn), key=TAB, on_change="rerun", bind=ADDRESS), drawn.values()):
        if tab.open:
            with tab:
                _or_sentence(draw)


def _described(workload: WorkloadCells) -> str:
    """Return a workload's task and system in words: ``t2i on zoo:emoji-pixart``."""
    identity = workload.cells[0].identity
    system = identity.task_params.get("system")
    return f"{identity.task} on {system}" if isinstance(system, str) else identity.task


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
    put_style()
    paths, is_demo = store_paths()
    pages = [START, RESULTS, METHODS]
    if PAGE not in st.session_state and PAGE not in st.query_params:
        st.session_state[PAGE] = RESULTS if {TASK, TAB, METHOD} & set(st.query_params) else START
    bar = st.container(horizontal=True, vertical_alignment="center")
    with bar:
        st.markdown("**EffBench**", width="content")
        page = st.segmented_control("Page", pages, required=True, key=PAGE, bind=ADDRESS, label_visibility="collapsed")
        if len(paths) > 1:
            with st.popover("Stores", icon=":material/database:"):
                paths = st.multiselect("Stores", paths, default=paths, format_func=lambda path: path.name, key="stores")
    snapshot = read(paths)
    summary = snapshot.summary
    if page == METHODS:
        show_methods(summary)
    elif not summary.workloads:
        st.warning("There is nothing to show: no chosen store holds a finished cell.", icon=":material/inbox:")
    elif page == START:
        show_start(snapshot, is_demo)
    else:
        show_results(summary, bar)


main()
