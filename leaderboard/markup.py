"""Numbers, tables and lists of facts as HTML in the board's own look; on a phone the rows of a table become cards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

CARD_WIDTH = "minmax(9.6rem, 1fr)"
"""Of a number with its interval; two stand side by side on a phone of 390 pixels."""


class Card(NamedTuple):
    """A number as a card: what it is, its value with the unit, and lines in small print below."""

    what: str
    value: str
    below: Sequence[str]


def cards(shown: Iterable[Card]) -> str:
    """Return numbers as cards side by side, as many in a row as there is room for."""
    body = "".join(_card(card) for card in shown)
    return f'<div class="cards" style="grid-template-columns: repeat(auto-fill, {CARD_WIDTH}); gap: .7rem">{body}</div>'


def _card(card: Card) -> str:
    below = "".join(f'<p class="what">{escape(text)}</p>' for text in card.below if text)
    value = f'<p style="font-size: 1.45rem; line-height: 1.25; overflow-wrap: anywhere">{escape(card.value)}</p>'
    return f'<div class="card"><p><b>{escape(card.what)}</b></p>{value}{below}</div>'


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], wide: Collection[str] = ()) -> str:
    """Return a table of plain texts, the first of each row naming it; ``wide`` columns take a card's whole width."""
    head = "".join(f'<th scope="col" class="text">{escape(heading)}</th>' for heading in headings)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(_cell(*pair, wide) for pair in zip(headings[1:], others))}</tr>'
        for first, *others in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(heading: str, text: str, wide: Collection[str]) -> str:
    kind = "text wide" if heading in wide else "text"
    return f'<td class="{kind}" data-label="{escape(heading)}">{escape(text)}</td>'


def facts(known: Mapping[str, str]) -> str:
    """Return what is known, a line each; what is empty is left out."""
    lines = (f"<dt>{escape(what)}</dt><dd>{escape(said)}</dd>" for what, said in known.items() if said)
    return f"<dl>{''.join(lines)}</dl>"
