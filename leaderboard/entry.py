"""One method of a task: headline, who checked it, how to get it again, claims and checks, and all that lies behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pandas as pd
import streamlit as st

from effbench.errors import BadInput, StoreError
from effbench.raw import RawCell
from effbench.record import Attempt
from effbench.report.caption import level_text, machine_text, samples_text, stopping_lines
from effbench.report.checked import CHECK_HEADINGS, check_rows, standing_of
from effbench.report.claims import LEDGER_TEXT, LedgerRow, ledger_of_cell
from effbench.report.entry import (
    NUMBER_HEADINGS,
    EntryIndex,
    HeadlineNumber,
    entry_index,
    headline_of,
    number_rows,
)
from effbench.report.reproduce import reproduction_of
from effbench.report.summarise import WorkloadCells, failure_of
from effbench.report.trust import check_text, noise_text
from effbench.submission.manifest import NAME as MANIFEST
from effbench.submission.manifest import read_manifest
from effbench.verification import read_history
from effbench_leaderboard.address import ADDRESS, METHOD, stores_key
from effbench_leaderboard.ledger import SYMBOLS as CLAIM_SYMBOLS
from effbench_leaderboard.text import escape
from effbench_leaderboard.timings import show_timings

CHECK_SYMBOLS = {"pass": "✔", "fail": "✕", "unknown": "?"}
"""Status of an honesty check -> its symbol, told apart without colour."""

MOST_ATTEMPTS = 100
"""Attempts that are listed: a cell that was interrupted and tried again every day has fewer."""

NUMBER_WIDTH = 190
"""Pixels of a number of the headline: two stand side by side on a phone of 390."""


def show_entry(workload: WorkloadCells) -> None:
    """Draw the choice of a method and everything that is known of the chosen one."""
    index = _index(stores_key(workload), workload)
    name = st.selectbox("Method", index.names, index=index.first, key=METHOD, bind=ADDRESS)
    raw = index.raw_of(name)
    _show_headline(index, name, raw)
    _or_sentence(_show_checkers, raw)
    _or_sentence(_show_reproduction, raw)
    _show_claims(workload, raw)
    _show_honesty(raw)
    st.subheader("Raw timings", anchor=False)
    _or_sentence(show_timings, raw)
    _show_behind(workload, raw)


@st.cache_resource(max_entries=16, show_spinner=False)
def _index(key: tuple[tuple[str, str], ...], _workload: WorkloadCells) -> EntryIndex:
    return entry_index(_workload)


def _or_sentence(draw: Callable[[RawCell], None], raw: RawCell) -> None:
    """Draw a section; what is damaged in its files is one sentence there, and the other sections stand."""
    try:
        draw(raw)
    except (BadInput, StoreError) as error:
        st.error(escape(str(error)), icon=":material/error:")


def _show_headline(index: EntryIndex, name: str, raw: RawCell) -> None:
    """Draw what kind of a cell it is, and its headline numbers with rank and interval."""
    cell = raw.record
    st.subheader(escape(name), anchor=False)
    kind = "failed" if cell.status == "failed" else cell.execution
    role = ", the reference that others are compared with" if cell.role == "reference" else ""
    chain = " then ".join(escape(link.use) for link in cell.identity.chain)
    st.caption(
        f"{kind}{role}. Method {chain}; {escape(samples_text(cell))}, finished {escape(cell.finished_utc[:10])}."
    )
    if cell.status == "failed":
        failure = failure_of(cell)
        job = f" in its {failure.job} job" if failure.job else ""
        message = f": {failure.message}" if failure.message else ""
        st.error(escape(f"It failed{job} ({failure.reason}){message}"), icon=":material/error:")
    with st.container(horizontal=True, gap="small"):
        for number in headline_of(index, name):
            _show_number(number)
    level = level_text(index.workload.levels)
    st.caption(f"[low, high]: {level} interval. #1 is best; methods that share a rank cannot be told apart.")


def _show_number(number: HeadlineNumber) -> None:
    st.metric(
        escape(number.label),
        escape(number.value),
        delta=escape(number.interval) or None,
        delta_color="off",
        delta_arrow="off",
        delta_description=escape(number.rank) or None,
        help=escape("; ".join(number.notes)) or None,
        border=True,
        width=NUMBER_WIDTH,
    )


def _show_checkers(raw: RawCell) -> None:
    """Draw who made the numbers again, and what whoever sent them in says of them."""
    st.subheader("Who checked it", anchor=False)
    store = raw.path.parents[1]
    history = read_history(store)
    st.markdown(escape(standing_of(raw.record, history)))
    for check in history:
        st.markdown(f"- {escape(check.sentence)}")
    if history:
        st.caption("As the file beside the store says; it is worth what the place is worth that the store comes from.")
        with st.expander("Every level of every check"):
            st.dataframe(pd.DataFrame(check_rows(history), columns=list(CHECK_HEADINGS)), hide_index=True)
    if (store / MANIFEST).exists():
        manifest = read_manifest(store)
        _facts({"licence of the results": manifest.licence, "code": manifest.source, "notes": manifest.notes})


def _show_reproduction(raw: RawCell) -> None:
    """Draw the command lines that give the row again, and the suite that they need."""
    again = reproduction_of(raw)
    st.subheader("Get this row again", anchor=False)
    st.markdown(f"It was made by {escape(again.code)} Save the suite, then:")
    st.code(again.commands, language="bash", wrap_lines=True)
    for note in again.notes:
        st.warning(escape(note))
    st.download_button(
        f"Suite ({again.suite_file})",
        again.suite,
        file_name=again.suite_file,
        mime="application/yaml",
        icon=":material/download:",
        on_click="ignore",
        key="suite_file",
    )
    with st.expander("The suite, and the versions of libraries"):
        if again.libraries:
            st.code(again.libraries, language="bash", wrap_lines=True)
        st.code(again.suite, language="yaml", height=400)


def _show_claims(workload: WorkloadCells, raw: RawCell) -> None:
    """Draw what its paper claims beside what was measured here; nothing where it claims nothing."""
    ledger = ledger_of_cell(workload, raw.record)
    if not ledger:
        return
    st.subheader("What its paper claims", anchor=False)
    st.markdown("\n".join(map(_claim, ledger)))
    st.caption(LEDGER_TEXT)


def _claim(row: LedgerRow) -> str:
    measured = "" if row.measured is None else f", here {row.measured_text}"
    said = f"{CLAIM_SYMBOLS[row.status]} {row.what}: claimed {row.claimed_text}{measured}: {row.verdict}"
    return f"- {escape(said)}  \n  :gray[{escape(f'{row.setting} ({row.source})')}]"


def _show_honesty(raw: RawCell) -> None:
    """Draw what was checked of its honesty."""
    st.subheader("Honesty checks", anchor=False)
    checks = raw.record.checks
    if not checks:
        st.markdown("None ran, so nothing shows that what was timed is what was scored.")
    lines = (f"- {CHECK_SYMBOLS[check.status]} {escape(check_text(check))}" for check in checks)
    st.markdown("\n".join(lines))


def _show_behind(workload: WorkloadCells, raw: RawCell) -> None:
    """Draw what lies behind the numbers, each kind in an expander."""
    st.subheader("Behind the numbers", anchor=False)
    cell, origin = raw.record, raw.record.provenance
    with st.expander("Every number"):
        st.dataframe(pd.DataFrame(number_rows(workload, cell), columns=list(NUMBER_HEADINGS)), hide_index=True)
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
                **origin.origins,
                **origin.packages,
            }
        )
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
                "verified by": cell.verified_by,
            }
        )
        st.markdown("What the cell's id hashes:")
        st.json(cell.identity.model_dump())


def _facts(facts: dict[str, str]) -> None:
    """Draw what is known, a line each; what is empty is left out."""
    lines: Iterable[str] = (f"- **{escape(what)}:** {escape(said)}" for what, said in facts.items() if said)
    st.markdown("\n".join(lines))


def _attempt(attempt: Attempt) -> str:
    failed = f" ({attempt.reason}{f': {attempt.message}' if attempt.message else ''})" if attempt.reason else ""
    return f"{attempt.started_utc} {attempt.job}: {attempt.status}{failed} after {attempt.seconds:.3g} s"
