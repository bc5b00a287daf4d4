"""Where each method's numbers come from: identity, machine, honesty checks, versions, attempts and hashes of its files."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from effbench.record import CellRecord
from effbench.report.caption import machine_text, samples_text
from effbench.report.summarise import WorkloadCells, name_of
from effbench.report.trust import badge_of, check_text, noise_text
from effbench.verification import read_history
from effbench_leaderboard.rows import FAILED_SYMBOL, SYMBOLS
from effbench_leaderboard.text import escape

CHECK_SYMBOLS = {"pass": "✔", "fail": "✕", "unknown": "?"}
"""Status of an honesty check -> its symbol, told apart without colour."""


def show_origins(workload: WorkloadCells) -> None:
    """Draw who checked the stores, then one expander per cell."""
    for store in dict.fromkeys(raw.path.parents[1] for raw in workload.raw):
        for check in read_history(store):
            st.markdown(f"{escape(store.name)} was checked, as its folder says: {escape(check.sentence)}")
    for cell in workload.cells:
        symbol = SYMBOLS.get(badge_of(cell), FAILED_SYMBOL)
        with st.expander(f"{symbol} {escape(name_of(workload, cell))}"):
            _show(workload, cell)


def _show(workload: WorkloadCells, cell: CellRecord) -> None:
    origin = cell.provenance
    dirty = {True: " with uncommitted changes", False: "", None: ""}[origin.git_dirty]
    facts = {
        "cell": cell.id,
        "suite": cell.suite,
        "machine": machine_text(origin.machine, workload.machines.get(origin.machine, {})),
        "device, dtype": f"{origin.device}, {cell.identity.dtype}",
        "threads, cores": f"{origin.threads or 'unknown'}, {', '.join(map(str, origin.cpus)) or 'not bound'}",
        "noise": noise_text([cell.noise]) if cell.noise else "not recorded",
        "samples": f"{samples_text(cell)}, seeds {', '.join(map(str, cell.seeds))}, subset {cell.subset or 'none'}",
        "trainings": ", ".join(f"seed {seed}" for seed in cell.trainings) or "none of its own",
        "verified by": cell.verified_by,
        "kernels of ours": ", ".join(cell.kernels) or "none seen",
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
    if cell.checks:
        st.markdown("**Honesty checks**")
        checks = [f"{CHECK_SYMBOLS[check.status]} {check_text(check)}" for check in cell.checks]
        st.dataframe(pd.DataFrame({"check": checks}), hide_index=True, height="content")
    st.markdown("**Attempts**")
    st.dataframe(pd.DataFrame([attempt.model_dump() for attempt in cell.attempts]), hide_index=True, height="content")
    hashes = {**cell.files, **{f"probe output, {job}": sha for job, sha in cell.probe_sha256.items()}}
    if hashes:
        st.markdown("**Files**")
        st.dataframe(pd.DataFrame(hashes.items(), columns=["file", "sha256"]), hide_index=True, height="content")
