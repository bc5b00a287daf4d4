"""What lies behind the numbers of a cell, each kind in an expander: samples, machine, files, identity and more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from effbench.raw import RawCell
from effbench.record import Attempt
from effbench.report.caption import machine_text, samples_text, stopping_lines
from effbench.report.entry import NUMBER_HEADINGS, number_rows
from effbench.report.summarise import WorkloadCells
from effbench.report.trust import noise_text
from effbench_leaderboard.markup import facts, table
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape

MOST_ATTEMPTS = 100
"""Attempts that are listed: a cell that was interrupted and tried again every day has fewer."""


def show_behind(workload: WorkloadCells, raw: RawCell) -> None:
    """Draw what lies behind the numbers, each kind in an expander."""
    st.subheader("Behind the numbers", anchor=False)
    cell, origin = raw.record, raw.record.provenance
    with st.expander("Every number"):
        put(table(NUMBER_HEADINGS, number_rows(workload, cell), wide=NUMBER_HEADINGS[-2:]))
    with st.expander("Preparation"):
        _facts(
            {
                "artifact": cell.artifact_sha256 or "none",
                "trainings": ", ".join(f"seed {seed}" for seed in cell.trainings) or "none of its own",
                **{f"probe output, {job}": sha256 for job, sha256 in cell.probe_sha256.items()},
            }
        )
        if cell.artifact_sha256:
            st.markdown("What was prepared is described by:")
            st.code(f"effbench describe STORE/cells/{cell.id}", language="bash", wrap_lines=True)
    with st.expander("Samples"):
        own = replace(workload, cells=(cell,), raw=(raw,))
        _facts(
            {
                "samples": samples_text(cell),
                "seeds": ", ".join(map(str, cell.seeds)) or "none",
                "subset": cell.subset or "none",
                "stopping": " ".join(stopping_lines(own)),
            }
        )
    with st.expander("Attempts"):
        st.markdown("\n".join(f"- {escape(_attempt(attempt))}" for attempt in cell.attempts[:MOST_ATTEMPTS]))
        if len(cell.attempts) > MOST_ATTEMPTS:
            st.caption(f"The first {MOST_ATTEMPTS} of {len(cell.attempts)}.")
    with st.expander("Machine"):
        machine = workload.machines.get(origin.machine, {})
        _facts(
            {
                "machine": machine_text(origin.machine, machine),
                "device, dtype": f"{origin.device}, {cell.identity.dtype}",
                "threads, cores": f"{origin.threads or 'unknown'}, {', '.join(map(str, origin.cpus)) or 'not bound'}",
                "noise": noise_text([cell.noise]) if cell.noise else "not recorded",
                "why not quieter": "; ".join(cell.noise.reasons) if cell.noise else "",
                "kernels of ours": ", ".join(cell.kernels) or "none seen",
            }
        )
        st.json(dict(machine), expanded=False)
    with st.expander("Packages and origins"):
        dirty = " with uncommitted changes" if origin.git_dirty else ""
        _facts(
            {
                "code": f"effbench {origin.effbench_version}, commit {origin.git_commit or 'unknown'}{dirty}",
                "hash of the code": origin.code_version,
                "python": origin.python,
            }
        )
        _facts(origin.origins)
        _facts(origin.packages)
        st.markdown("It was run by:")
        st.code(origin.command, language="bash", wrap_lines=True)
    with st.expander("Files"):
        lines = [f"{sha256}  {name}" for name, sha256 in sorted(cell.files.items())]
        st.code("\n".join(lines) or "none", language=None, wrap_lines=True)
    with st.expander("Identity"):
        _facts(
            {
                "cell": cell.id,
                "suite": cell.suite,
                "plan": cell.plan_sha256,
                "finished": cell.finished_utc,
                "verification": workload.standing(cell).text,
            }
        )
        st.markdown("What the cell's id hashes:")
        st.json(cell.identity.model_dump())


def _facts(known: Mapping[str, str]) -> None:
    put(facts(known))


def _attempt(attempt: Attempt) -> str:
    failed = f" ({attempt.reason}{f': {attempt.message}' if attempt.message else ''})" if attempt.reason else ""
    return f"{attempt.started_utc} {attempt.job}: {attempt.status}{failed} after {attempt.seconds:.3g} s"
