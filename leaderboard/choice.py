"""Which methods stand side by side: one choice that the comparison and the samples share."""

from __future__ import annotations

import streamlit as st

from effbench.report.side_by_side import MOST_METHODS, Beginning, beginning
from effbench.report.summarise import WorkloadCells, names_of
from effbench_leaderboard.address import ADDRESS
from effbench_leaderboard.text import escape

METHODS = "methods"
"""Name of the choice in the address; the first one is what the others are held against."""


def choose_methods(workload: WorkloadCells) -> list[str]:
    """Draw the choice and return the chosen methods, by ``names_of``."""
    begin = _beginning(workload.key, workload)
    chosen = st.multiselect(
        f"Methods, two to {MOST_METHODS}; the others are held against the first",
        names_of(workload),
        default=begin.names,
        max_selections=MOST_METHODS,
        key=METHODS,
        bind=ADDRESS,
        wrap=True,
        select_all=False,
    )
    if tuple(chosen) == begin.names:
        st.caption(f"To begin with: {escape(begin.rule)}.")
    return list(chosen)


@st.cache_resource(max_entries=16, show_spinner=False)
def _beginning(key: str, _workload: WorkloadCells) -> Beginning:
    return beginning(_workload)
