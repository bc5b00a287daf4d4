"""One method of a task: headline, who checked it, how to get it again, claims and checks, and all that lies behind it."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial

import streamlit as st

from effbench.errors import BadInput, StoreError
from effbench.raw import RawCell
from effbench.record import CellRecord
from effbench.report.caption import level_text, machine_text, samples_text
from effbench.report.checked import CHECK_HEADINGS, check_rows, standing_sentence
from effbench.report.claims import LEDGER_TEXT, ledger_columns, ledger_of_cell
from effbench.report.entry import EntryIndex, chain_text, entry_index, headline_notes, headline_of
from effbench.report.reproduce import reproduction_of
from effbench.report.standing import store_standing
from effbench.report.summarise import WorkloadCells, failure_of
from effbench.report.trust import check_text
from effbench.submission.manifest import NAME as MANIFEST
from effbench.submission.manifest import read_manifest
from effbench.verification import read_history
from effbench_leaderboard.address import ADDRESS, METHOD, METHODS, link
from effbench_leaderboard.behind import show_behind
from effbench_leaderboard.ledger import SYMBOLS as CLAIM_SYMBOLS
from effbench_leaderboard.markup import Card, cards, facts, table
from effbench_leaderboard.style import put
from effbench_leaderboard.text import escape
from effbench_leaderboard.timings import show_timings

CHECK_SYMBOLS = {"pass": "✔", "fail": "✕", "unknown": "?"}
"""Status of an honesty check -> its symbol, told apart without colour."""


def show_entry(workload: WorkloadCells) -> None:
    """Draw the choice of a method and everything that is known of the chosen one."""
    index = _index(workload.key, workload)
    workload = index.workload  # whose cells are the very ones of the index, however often the stores were read since
    name = st.selectbox("Method", index.names, index=index.first, key=METHOD, bind=ADDRESS)
    raw = index.raw_of(name)
    _show_headline(index, name, raw)
    _or_sentence(_show_checkers, raw)
    _or_sentence(partial(_show_reproduction, workload), raw)
    _show_claims(workload, raw)
    _show_honesty(raw)
    st.subheader("Raw timings", anchor=False)
    _or_sentence(show_timings, raw)
    show_behind(workload, raw)


@st.cache_resource(max_entries=16, show_spinner=False)
def _index(key: str, _workload: WorkloadCells) -> EntryIndex:
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
    put(_about(cell))
    said = f"{kind}{role}. Method {chain_text(cell)}; {samples_text(cell)}, finished {cell.finished_utc[:10]}."
    st.caption(escape(said))
    if cell.status == "failed":
        failure = failure_of(cell)
        job = f" in its {failure.job} job" if failure.job else ""
        message = f": {failure.message}" if failure.message else ""
        st.error(escape(f"It failed{job} ({failure.reason}){message}"), icon=":material/error:")
    headline = headline_of(index, name)
    put(cards(Card(number.label, number.value, (number.interval, number.rank)) for number in headline))
    level = level_text(index.workload.levels)
    lines = [f"[low, high]: {level} interval. #1 is best; methods that share a rank cannot be told apart."]
    lines += [f"{', '.join(labels)}: {note}." for note, labels in headline_notes(headline).items()]
    st.caption("  \n".join(map(escape, lines)))


def _about(cell: CellRecord) -> str:
    """Return links to what the methods of a cell say of themselves."""
    uses = dict.fromkeys(one.use for one in cell.identity.chain)
    links = (
        f'<a href="{html.escape(link(page=METHODS, find=use))}" target="_self">{html.escape(use)}</a>' for use in uses
    )
    return f"<p>What it is: {', '.join(links)}</p>"


def _show_checkers(raw: RawCell) -> None:
    """Draw who made the numbers again, and what whoever sent them in says of them."""
    st.subheader("Who checked it", anchor=False)
    store = raw.path.parents[1]
    history = read_history(store)
    st.markdown(escape(standing_sentence(store_standing(store))))
    for check in history:
        st.markdown(f"- {escape(check.sentence)}")
    if history:
        st.caption("As the file beside the store says; it is worth what the place is worth that the store comes from.")
        with st.expander("Every level of every check"):
            put(table(CHECK_HEADINGS, check_rows(history), wide=("asks whether", "found")))
    if (store / MANIFEST).exists():
        manifest = read_manifest(store)
        put(facts({"licence of the results": manifest.licence, "code": manifest.source, "notes": manifest.notes}))


def _show_reproduction(workload: WorkloadCells, raw: RawCell) -> None:
    """Draw the command lines that give the row again, and the suite that they need."""
    again = reproduction_of(raw)
    st.subheader("Get this row again", anchor=False)
    st.markdown(f"It was made by {escape(again.code)} Save the suite, then run the command beside it:")
    st.download_button(
        escape(f"Suite ({again.suite_file})"),
        again.suite,
        file_name=again.suite_file,
        mime="application/yaml",
        icon=":material/download:",
        on_click="ignore",
        key="suite_file",
    )
    st.code(again.commands, language="bash", wrap_lines=True)
    machine = raw.record.provenance.machine
    there = machine_text(machine, workload.machines.get(machine, {}))
    elsewhere = " A plugin that no package index has is had from its author." if again.install else ""
    st.caption(f"Absolute times hold for {escape(there)}; on another machine compare ratios.{elsewhere}")
    for note in again.notes:
        st.warning(escape(note))
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
    headings, rows = ledger_columns(ledger, skip=("task", "method"))
    said = [(*row[:-1], f"{CLAIM_SYMBOLS[found.status]} {row[-1]}") for found, row in zip(ledger, rows)]
    put(table(headings, said, wide=("setting", "source", "status")))
    st.caption(LEDGER_TEXT)


def _show_honesty(raw: RawCell) -> None:
    """Draw what was checked of its honesty."""
    st.subheader("Honesty checks", anchor=False)
    checks = raw.record.checks
    if not checks:
        st.markdown("None ran, so nothing shows that what was timed is what was scored.")
    lines = (f"- {CHECK_SYMBOLS[check.status]} {escape(check_text(check))}" for check in checks)
    st.markdown("\n".join(lines))
