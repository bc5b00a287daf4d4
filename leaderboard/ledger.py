"""What the papers claim beside what was measured here, claim by claim."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from effbench.report.claims import LEDGER_TEXT, ledger_columns, ledger_of
from effbench.report.summarise import WorkloadCells

SYMBOLS = {"reproduced": "✔", "not reproduced": "✕", "not comparable": "≠", "not measured": "–"}
"""Status of a claim -> its symbol, told apart without colour."""


def has_claims(workload: WorkloadCells) -> bool:
    """Return whether any method here claims a number."""
    return bool(ledger_of(workload))


def show_ledger(workload: WorkloadCells) -> None:
    """Draw the ledger."""
    ledger = ledger_of(workload)
    headings, rows = ledger_columns(ledger)
    texts = [[*row[:-1], f"{SYMBOLS[found.status]} {row[-1]}"] for found, row in zip(ledger, rows)]
    st.dataframe(pd.DataFrame(texts, columns=list(headings)), hide_index=True, height="content", key="ledger")
    st.caption(LEDGER_TEXT)
