"""Where each method's numbers come from: identity, machine, versions, attempts, claims and the hashes of its files."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from effbench.record import CellRecord
from effbench.report.caption import machine_text
from effbench.report.summarise import Workload, name_of
from effbench_leaderboard.comparison import BADGES, FAILED_BADGE


def show_origins(workload: Workload) -> None:
    """Draw one expander per cell."""
    for cell in workload.cells:
        badge = FAILED_BADGE if cell.status == "failed" else BADGES[cell.execution]
        with st.expander(f"{badge} {name_of(workload, cell)}"):
            _show(workload, cell)


def _show(workload: Workload, cell: CellRecord) -> None:
    origin = cell.provenance
    dirty = {True: " with uncommitted changes", False: "", None: ""}[origin.git_dirty]
    facts = {
        "cell": cell.id,
        "suite": cell.suite,
        "machine": machine_text(origin.machine, workload.machines.get(origin.machine, {})),
        "device, dtype": f"{origin.device}, {cell.identity.dtype}",
        "samples": f"{cell.n_samples}, seeds {', '.join(map(str, cell.seeds))}, subset {cell.subset or 'none'}",
        "code": f"effbench {origin.effbench_version}, commit {origin.git_commit or 'unknown'}{dirty}, {origin.code_version}",
        "python": origin.python,
        "artifact": cell.artifact_sha256 or "none",
        "finished": cell.finished_utc,
    }
    left, right = st.columns(2)
    with left:
        st.markdown("**Record**")
        st.dataframe(pd.DataFrame(facts.items(), columns=["what", "value"]), hide_index=True, height="content")
        st.markdown("**Command**")
        st.code(origin.command, language="bash", wrap_lines=True)
    with right:
        st.markdown("**Identity** (what the cell's id hashes)")
        st.json(cell.identity.model_dump(), expanded=1)
        st.markdown("**Versions and origins**")
        st.json({"packages": origin.packages, "origins": origin.origins}, expanded=False)
    st.markdown("**Attempts**")
    st.dataframe(pd.DataFrame([attempt.model_dump() for attempt in cell.attempts]), hide_index=True, height="content")
    if cell.claims:
        st.markdown("**Claims of the paper**")
        st.dataframe(pd.DataFrame(list(cell.claims)), hide_index=True, height="content")
    hashes = {**cell.files, **{f"probe output, {job}": sha for job, sha in cell.probe_sha256.items()}}
    if hashes:
        st.markdown("**Files**")
        st.dataframe(pd.DataFrame(hashes.items(), columns=["file", "sha256"]), hide_index=True, height="content")
