"""The start page: what EffBench is, a card per task, and what came in last."""

from __future__ import annotations

import base64
from html import escape

import streamlit as st

from effbench.counted import counted
from effbench.report.overview import SystemCard, TaskCard, Verdicts, newest_entries, overview_of
from effbench.report.snapshot import Snapshot
from effbench.report.summarise import Summary
from effbench.report.thumbnail import thumbnail
from effbench_leaderboard.address import ENTRY_TAB, RESULTS, link
from effbench_leaderboard.style import put

WHAT = (
    "EffBench measures what a method that makes a model faster or smaller costs in quality: quality, latency, memory and "
    "compute of the same object, on the same samples, side by side with its reference. "
    "Every number stands with its interval, and what the measurements cannot tell apart shares a rank."
)
"""What EffBench is, in two sentences."""

SYSTEMS_PER_CARD = 6
"""Systems that a card shows; the others are counted."""


def show_start(snapshot: Snapshot, is_demo: bool) -> None:
    """Draw the page."""
    said = (
        "<p><em>These are the demo results that come with EffBench: small models on two cores.</em></p>"
        if is_demo
        else ""
    )
    put(f"<h1>Efficient AI, measured honestly</h1><p>{escape(WHAT)}</p>{said}")
    put(_results(snapshot.key, snapshot.summary))


@st.cache_resource(max_entries=8, show_spinner=False)
def _results(key: str, _summary: Summary) -> str:
    """Return the cards and the newest entries; over fifty systems drawing their pictures takes seconds."""
    cards = f'<div class="cards">{"".join(map(_card, overview_of(_summary)))}</div>'
    entries = "".join(
        f'<li><a href="{escape(link(page=RESULTS, task=e.title, tab=ENTRY_TAB, method=e.name))}" target="_self">'
        f"{escape(e.name)}</a> on {escape(e.title)}: {escape(e.words)} "
        f'<span class="none">{escape(e.finished_utc[:10])}</span></li>'
        for e in newest_entries(_summary)
    )
    return cards + (f'<h2>Newest entries</h2><ul class="plain">{entries}</ul>' if entries else "")


def _card(card: TaskCard) -> str:
    systems = "".join(map(_system, card.systems[:SYSTEMS_PER_CARD]))
    more = len(card.systems) - SYSTEMS_PER_CARD
    rest = f"<p>and {counted(more, 'more system')}</p>" if more > 0 else ""
    count = counted(len(card.systems), "system")
    return f'<div class="card"><h3>{escape(card.task)}</h3><p class="what">{count}</p>{systems}{rest}</div>'


def _system(card: SystemCard) -> str:
    title = card.workload.title
    lines = [
        f'<p><a href="{escape(link(page=RESULTS, task=title))}" target="_self"><strong>{escape(title)}</strong></a>: '
    ]
    lines.append(f"{counted(card.methods, 'method')}{f', {card.failed} failed' if card.failed else ''}</p>")
    if picture := thumbnail(card.workload):
        data = base64.b64encode(picture.encode()).decode()
        alt = f"speed-up against {card.quality_name} of the methods on {title}"
        lines.append(f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">')
    if card.best is not None:
        where = link(page=RESULTS, task=title, tab=ENTRY_TAB, method=card.best.name)
        lines.append(
            f'<p>Fastest without a clear loss: <a href="{escape(where)}" target="_self">{escape(card.best.name)}</a>, '
            f"{escape(card.best.speedup)}</p>"
        )
    for words, found in ((card.quality_name, card.quality), ("speed", card.speed)):
        if found is not None and any(found):
            lines.append(f'<p class="what">{escape(words)}: {_decided(found)}</p>')
    return "".join(lines)


def _decided(found: Verdicts) -> str:
    """Return what was decided of the methods against the reference, and what not."""
    parts = ((found.better, "better"), (found.worse, "worse"), (found.undecided, "not told apart"))
    return ", ".join(f"{count} {words}" for count, words in parts if count)
