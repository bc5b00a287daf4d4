"""Tables and lists of facts as HTML in the board's own look; a table's rows become cards on a phone, so nothing is cut."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape


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
