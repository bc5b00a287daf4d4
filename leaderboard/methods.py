"""Every method that is installed here or has results in the stores, and how to add one: a page of its own, of no task."""

from __future__ import annotations

import html
import re

import streamlit as st

from effbench.method_card import MethodCard, installed_methods, registered_methods
from effbench.report.methods import PAPER_ADDRESS, KnownMethod, known_methods
from effbench.report.submitting import SUBMITTING_PAGE, SUBMITTING_STEPS
from effbench.report.summarise import Summary
from effbench_leaderboard.address import ADDRESS, ENTRY_TAB, link
from effbench_leaderboard.style import put
from effbench_leaderboard.text import code, escape

MOST_SHOWN = 60
"""Methods that one page lists: all that ship, with room for others; a search finds the rest."""
MOST_ENTRIES = 8
"""Entries of a task that are linked: a method with a matrix of parameters has hundreds."""


def show_methods(summary: Summary | None) -> None:
    """Draw the list with its search, and how to submit; ``summary`` is of the stores shown, None without any."""
    put("<h1>Methods</h1>")
    with st.expander("Submit a method of your own"):
        _show_submitting()
    with st.spinner("Asking every installed method what it is"):
        cards = _cards(registered_methods())
    known = known_methods(cards, summary)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    words = left.text_input(
        "Search", key="find", bind=ADDRESS, placeholder="a name, a paper, a task, a word of its text"
    )
    only = right.toggle("With results here", key="with_results", bind=ADDRESS)
    found = [method for method in known if method.fits(words.split()) and (method.results or not only)]
    found.sort(key=lambda method: not all(word.casefold() in method.name.casefold() for word in words.split()))
    st.caption(
        f"{len(found)} of {len(known)} methods." + (f" The first {MOST_SHOWN}:" if len(found) > MOST_SHOWN else "")
    )
    with st.container(gap="xsmall"):
        for method in found[:MOST_SHOWN]:
            with st.expander(_label(method)):
                _show(method)


@st.cache_resource(max_entries=2, show_spinner=False)
def _cards(registered: tuple[MethodCard, ...]) -> tuple[MethodCard, ...]:
    """Return the cards of what is registered; asked again when another package is installed."""
    return installed_methods()


def _label(method: KnownMethod) -> str:
    """Return name and sentence, as the label of an expander."""
    if not method.cards:
        return f"**{escape(method.name)}** :gray[not installed here]"
    sentence = method.cards[0].sentence
    return f"**{escape(method.name)}** {prose(sentence) if sentence else ':gray[cannot be used here]'}"


def _show(method: KnownMethod) -> None:
    """Draw where it has results, its papers, and what each package that brings it says."""
    if method.results:
        put("".join(_results(title, names) for title, names in method.results.items()))
    else:
        st.caption("No results in the stores shown.")
    if method.papers:
        links = ", ".join(f"[arXiv {number}]({PAPER_ADDRESS}{number})" for number in method.papers)
        st.markdown(f"**{'Paper' if len(method.papers) == 1 else 'Papers'}:** {links}")
    sources = dict.fromkeys([*(source for card in method.cards for source in card.sources), *method.sources])
    if sources:
        st.markdown(f"**Its claims stand in:** {'; '.join(map(escape, sources))}")
    for card in method.cards:
        _show_card(card)
    if not method.cards:
        for origin in method.origins:
            st.markdown(f"**Where its results come from:** {escape(origin)}")


def _results(title: str, names: tuple[str, ...]) -> str:
    """Return links to the entries of a task as HTML, the end of a long list counted."""
    places = [(name, link(task=title, tab=ENTRY_TAB, method=name)) for name in names[:MOST_ENTRIES]]
    links = ", ".join(
        f'<a href="{html.escape(place)}" target="_self">{html.escape(name)}</a>' for name, place in places
    )
    more = f" and {len(names) - MOST_ENTRIES} more" if len(names) > MOST_ENTRIES else ""
    return f"<p><b>Results in {html.escape(title)}:</b> {links}{more}</p>"


def _show_card(card: MethodCard) -> None:
    """Draw what a package's method says of itself."""
    if card.problem:
        st.error(escape(card.problem), icon=":material/error:")
    for text in (card.text, card.about):
        for paragraph in filter(None, (part.strip() for part in text.split("\n\n"))):
            st.markdown(prose(paragraph))
    facts = [
        f"**From:** {escape(f'{card.distribution} {card.version}')}, {code(card.points_to)}",
        f"**Works on:** {escape(', '.join(card.accepts))}" if card.accepts else "",
        f"**Execution by default:** {escape(card.execution)}" if card.execution else "",
        "**Prepares** before it runs: calibrates, searches or trains" if card.prepares else "",
        f"**Kernels that must be seen to run:** {', '.join(map(code, card.kernels))}" if card.kernels else "",
    ]
    st.markdown("\n".join(f"- {fact}" for fact in facts if fact))
    if card.parameters:
        lines = [
            f"- {code(p.name)} {escape(p.kind)}, {f'default {code(p.default)}' if p.default else 'required'}. "
            f"{prose(p.description)}"
            for p in card.parameters
        ]
        st.markdown("**Parameters**\n\n" + "\n".join(lines))


def prose(text: str) -> str:
    """Return a paragraph of a docstring as Markdown: what stands between backticks as code, the rest as it is."""
    words = []
    for place, part in enumerate(re.split(r"(``.+?``|`[^`]+`)", " ".join(text.split()))):
        before, after = (" " * (part != part.lstrip())), (" " * (part != part.rstrip()))
        words.append(code(part.strip("`")) if place % 2 else f"{before}{escape(part)}{after if part.strip() else ''}")
    return "".join(words)


def _show_submitting() -> None:
    """Draw how a method gets onto a board."""
    st.markdown(f"Every step of it: {code(SUBMITTING_PAGE)} in EffBench's repository. In short:")
    for number, step in enumerate(SUBMITTING_STEPS, 1):
        st.markdown(f"{number}. {prose(step.what)}")
        st.code(step.commands, language="bash", wrap_lines=True)
