"""What the papers claim beside what was measured here, claim by claim; on a phone a card per claim."""

from __future__ import annotations

from collections.abc import Hashable
from html import escape as html
from typing import get_args

import streamlit as st

from effbench.report.claims import LEDGER_TEXT, Ledger, LedgerRow, Status, ledger_of, ledger_text
from effbench.report.summarise import WorkloadCells
from effbench_leaderboard.address import ADDRESS, ENTRY_TAB, METHOD, TAB, TASK, link
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape

SYMBOLS = {"reproduced": "✔", "not reproduced": "✕", "not comparable": "≠", "not measured": "–"}
"""Status of a claim -> its symbol, told apart without colour."""

COLOURS = {"reproduced": "var(--green)", "not reproduced": "var(--red)"}
"""Status of a claim -> the colour of symbol and word, where it is more than the text's own."""

CLAIMED, PAGE_OF_CLAIMS = "claimed", "claims"
"""Names in the address, and keys of the widgets that are bound to them."""

MOST_ROWS = 100
"""Claims of a page: a browser lays out a hundred rows in a blink."""

HEADINGS = ("method", "claim", "claimed", "measured here", "status", "setting and source")
"""Of the columns, and of the lines of a card."""


def has_claims(workload: WorkloadCells) -> bool:
    """Return whether any method here claims a number."""
    return any(cell.claims for cell in workload.cells)


def show_ledger(workload: WorkloadCells) -> None:
    """Draw the ledger: how many claims came out how, and those that a reader chose."""
    ledger = _ledger(workload.key, workload)
    st.markdown(escape(ledger_text(ledger)))
    kinds = [status for status in get_args(Status) if any(row.status == status for row in ledger)]
    if len(kinds) > 1:
        chosen = st.pills("Show only", kinds, selection_mode="multi", key=CLAIMED, bind=ADDRESS)
        ledger = tuple(row for row in ledger if row.status in (chosen or kinds))
    pages = -(-len(ledger) // MOST_ROWS)
    page = int(st.number_input("Page", 1, pages, key=PAGE_OF_CLAIMS, bind=ADDRESS, width=140)) if pages > 1 else 1
    head = "".join(f'<th scope="col" class="text">{heading}</th>' for heading in HEADINGS)
    body = "".join(_row(workload, row) for row in ledger[(page - 1) * MOST_ROWS : page * MOST_ROWS])
    put(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    st.caption(LEDGER_TEXT)


@st.cache_resource(max_entries=16, show_spinner=False)
def _ledger(key: Hashable, _workload: WorkloadCells) -> Ledger:
    return ledger_of(_workload)


def _row(workload: WorkloadCells, row: LedgerRow) -> str:
    where = html(link(**{TASK: workload.title, TAB: ENTRY_TAB, METHOD: row.method}))
    why = f"<small>{html(row.why)}</small>" if row.why else ""
    colour = COLOURS.get(row.status)
    style = f' style="color: {colour}"' if colour else ""
    status = (
        f'<span class="badge"{style}><span aria-hidden="true">{SYMBOLS[row.status]}</span> {row.status}</span>{why}'
    )
    cells = (
        html(row.what),
        html(row.claimed_text),
        html(row.measured_text),
        status,
        f"{html(row.setting)}<small>{html(row.source)}</small>",
    )
    filled = "".join(
        f'<td class="text{" wide" if heading in HEADINGS[4:] else ""}" data-label="{heading}">{cell}</td>'
        for heading, cell in zip(HEADINGS[1:], cells)
    )
    return (
        f'<tr class="claim"><th scope="row"><a href="{where}" target="_self">{html(row.method)}</a></th>{filled}</tr>'
    )
