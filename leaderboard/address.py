"""Where a reader is on the board: what an address holds, and links to elsewhere on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlencode

import streamlit as st

ADDRESS: Literal["query-params"] = "query-params"
"""Where what was chosen is kept: a page's address shows the same again, to whoever is sent it."""

PAGE, TASK, TAB, METHOD = "page", "task", "tab", "method"
"""Names in the address, and keys of the widgets that are bound to them."""

START, RESULTS, METHODS = "Start", "Results", "Methods"
"""Pages; an address that names a task and no page means its results."""

ENTRY_TAB = "Entry"
"""The tab that shows one method, the target of whatever opens a method."""


def link(**where: str | Sequence[str]) -> str:
    """Return the address of another place on the board (``link(task="t2i", tab="Pareto")``), for a link's target."""
    return "?" + urlencode(where, doseq=True)


def open_method(name: str) -> None:
    """Turn to the entry of a method; only a widget's callback may, before the page is drawn again."""
    st.session_state[TAB], st.session_state[METHOD] = ENTRY_TAB, name
    # A widget that was not drawn yet does not put what it is given into the address by itself.
    st.query_params[METHOD] = name
