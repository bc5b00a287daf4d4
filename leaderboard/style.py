"""The look of what Streamlit has no widget for; colours follow the theme, light or dark, by ``color-scheme``."""

from __future__ import annotations

import streamlit as st

CSS = """
.block-container, [data-testid="stMainBlockContainer"] { padding: 4.2rem 2rem 4rem; max-width: 84rem; }
.eb { --line: color-mix(in srgb, currentColor 14%, transparent); --soft: color-mix(in srgb, currentColor 66%, transparent);
      --wash: color-mix(in srgb, currentColor 5%, transparent); --blue: light-dark(#00639b, #6cbcf0);
      --red: light-dark(#a84900, #ff9d5c); --green: light-dark(#00694c, #4fd1a5); font-variant-numeric: tabular-nums; }
.eb a { color: var(--blue); text-decoration: none; } .eb a:hover, .eb a:focus-visible { text-decoration: underline; }
.eb a:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
.eb abbr { text-decoration: none; cursor: help; }
.eb table { border-collapse: collapse; width: 100%; font-size: .875rem; line-height: 1.3; margin: 0; }
.eb thead th { text-align: right; vertical-align: bottom; font-weight: 600; padding: .3rem .5rem; white-space: nowrap;
               border: 0; border-bottom: 2px solid var(--soft); }
.eb thead th small { display: block; font-weight: 400; color: var(--soft); }
.eb td, .eb tbody th { border: 0; border-top: 1px solid var(--line); padding: .34rem .5rem; text-align: right;
                       vertical-align: top; font-weight: 400; }
.eb thead th.text, .eb td.text, .eb tbody th { text-align: left; }
.eb thead th.rank { text-align: center; }
.eb tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 9rem; }
.eb td small, .eb tbody th small { display: block; line-height: 1.25; color: var(--soft); font-weight: 400; }
.eb td small { white-space: nowrap; }
.eb tr.pinned td, .eb tr.pinned th { background: var(--wash); border-bottom: 2px solid var(--line); }
.eb tr.first td, .eb tr.first th { border-top: 2px solid var(--soft); }
.eb td.rank { text-align: center; width: 2.6rem; font-weight: 600; border-top-color: transparent; }
.eb tr.grouped td.rank { border-right: 3px solid var(--blue); } .eb tr.other td.rank { border-right-color: var(--soft); }
.eb tr.first td.rank { border-top: 2px solid var(--soft); }
.eb td.grey { color: var(--soft); font-style: italic; }
.eb td.wide small { display: inline; margin-left: .35rem; }
.eb tr.claim td { overflow-wrap: anywhere; } .eb tr.claim td small { white-space: normal; display: block; margin: 0; }
.eb sup { line-height: 0; font-size: .7em; }
.eb .none { color: var(--soft); }
.eb .bar { display: block; position: relative; height: 9px; min-width: 8rem; margin: .3rem 0 .15rem;
           background: var(--wash); }
.eb .bar i { position: absolute; top: 3px; height: 3px; background: var(--blue); border-radius: 2px; min-width: 2px; }
.eb .bar b { position: absolute; top: 0; height: 9px; width: 3px; margin-left: -1.5px; background: var(--blue); }
.eb .bar u { position: absolute; top: -2px; height: 13px; width: 0; border-left: 2px dotted var(--red); }
.eb .badge { white-space: nowrap; } .eb .failed { color: var(--red); }
.eb .noise { border: 1px solid var(--line); border-radius: .3rem; padding: 0 .35rem; }
.eb .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); gap: 1rem; }
.eb .card { border: 1px solid var(--line); border-radius: .5rem; padding: .9rem 1rem; min-width: 0; }
.eb .card h3 { font-size: 1.05rem; margin: 0 0 .15rem; padding: 0; } .eb .card p { margin: .25rem 0; font-size: .9rem; }
.eb .card .what { color: var(--soft); } .eb .card img { width: 100%; height: auto; display: block; margin: .3rem 0; }
.eb ul.plain { list-style: none; padding: 0; margin: .3rem 0; } .eb ul.plain li { margin: .35rem 0; font-size: .9rem; }
.eb ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0 1.2rem; padding: 0; margin: 0; }
.eb ul.legend li { font-size: .875rem; margin: 0; white-space: nowrap; }
.eb dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem .9rem; font-size: .9rem; margin: 0; padding: 0; }
.eb dt { color: var(--soft); } .eb dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 760px) {
  .block-container, [data-testid="stMainBlockContainer"] { padding: 4.2rem 1rem 3rem; }
  .eb table, .eb tbody { display: block; } .eb thead { display: none; }
  .eb tbody tr { display: grid; grid-template-columns: 1fr 1fr; border: 1px solid var(--line); border-radius: .5rem;
                 margin: 0 0 .7rem; padding: .5rem .7rem; }
  .eb tr.first { margin-top: 1.2rem; border-color: var(--soft); }
  .eb td, .eb tbody th, .eb td.rank { border: 0 !important; padding: .2rem 0; text-align: left; width: auto; min-width: 0; }
  .eb tbody th { grid-column: 1; order: -2; } .eb td.rank { grid-column: 2; order: -1; text-align: right; }
  .eb td.wide { grid-column: 1 / -1; }
  .eb td::before { content: attr(data-label); display: block; color: var(--soft); font-size: .78rem; }
  .eb td.rank::before, .eb td:empty { display: none; }
  .eb tr.pinned td, .eb tr.pinned th { background: none; }
}
"""
"""One sheet for the table, the cards and the lists; below 760 px a row becomes a card, so that nothing is cut."""


def put_style() -> None:
    """Put the style sheet into the page; it takes no room."""
    st.html(f"<style>{CSS}</style>")


def put(html: str) -> None:
    """Draw HTML whose texts were escaped, in the board's own look."""
    st.html(f'<div class="eb">{html}</div>')
