"""The table of one comparison as HTML: a row per number, a card per number where there is no room for a row."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from effbench.legible import legible
from effbench.report.bars import IntervalBar
from effbench.report.compare import ComparisonRow, Outcome
from effbench.report.comparison_text import row_texts
from effbench.report.panel import BEHIND, FRONT, REFERENCE
from effbench.report.side_by_side import AgainstFirst

OUTCOMES: Mapping[Outcome, str] = {"better": "▲", "worse": "▼", "undecided": "◇", "unknown": "?"}
"""Outcome -> its symbol; the word always stands beside it."""

COLOURS: Mapping[Outcome, str] = {"better": FRONT, "worse": REFERENCE, "undecided": BEHIND, "unknown": BEHIND}
"""Outcome -> the colour of its bar and symbol."""

STYLE = f"""
<style>
.differences {{ container-type: inline-size; font-size: 0.9rem; }}
.differences table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
.differences th, .differences td {{ padding: 0.35rem 0.6rem 0.35rem 0; text-align: left; vertical-align: top;
  border: 0; border-bottom: 1px solid {BEHIND}55; overflow-wrap: anywhere; font-weight: 400; }}
.differences thead th {{ font-weight: 600; vertical-align: bottom; }}
.differences tbody th {{ font-weight: 600; }}
.differences tr.behind > td {{ border-bottom: 0; }}
.differences small {{ display: block; opacity: 0.75; font-weight: 400; font-size: 0.85em; }}
.differences .nowrap {{ white-space: nowrap; }}
.differences .track {{ position: relative; width: 9rem; max-width: 100%; height: 1.3rem; }}
.differences .track i {{ position: absolute; display: block; }}
.differences .zero {{ left: 50%; top: 0; bottom: 0; border-left: 1px solid currentColor; opacity: 0.6; }}
.differences .ends {{ display: flex; justify-content: space-between; width: 9rem; max-width: 100%; }}
@container (max-width: 46rem) {{
  .differences thead {{ display: none; }}
  .differences table, .differences tbody {{ display: block; }}
  .differences tr {{ display: grid; grid-template-columns: 1fr 1fr; gap: 0.1rem 1rem; padding: 0.5rem 0;
    border-bottom: 1px solid {BEHIND}55; }}
  .differences th, .differences td, .differences tr.behind > td {{ display: block; border: 0; padding: 0.1rem 0; }}
  .differences tbody th, .differences td.wide {{ grid-column: 1 / -1; }}
  .differences td[data-what]::before {{ content: attr(data-what); display: block; opacity: 0.75; font-size: 0.85em; }}
  .differences .track {{ width: 100%; }}
}}
</style>
"""
"""Looks of the table; colours come from the page, so that it reads on light and on dark."""


def table_html(against: AgainstFirst, first: str, bars: Mapping[str, IntervalBar]) -> str:
    """Return the table of a method against the first one, with the bars of its numbers."""
    level = against.comparison.level
    head = "".join(
        f'<th scope="col">{text}</th>'
        for text in (
            "number",
            _text(first),
            _text(against.name),
            "difference or ratio",
            f'<span class="ends"><span>worse</span><span>better</span></span><small>{100 * level:g} % interval</small>',
            "outcome",
            "from",
        )
    )
    rows = "".join(_row(row, row.outcome(level), first, against.name, bars) for row in against.comparison.rows)
    return f'{STYLE}<div class="differences"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _row(row: ComparisonRow, outcome: Outcome, first: str, other: str, bars: Mapping[str, IntervalBar]) -> str:
    texts = row_texts(row)
    unit = f" {_text(row.unit)}" if row.unit else ""
    what = "times as much" if row.kind == "ratio" else f"difference{unit}"
    value, _, interval = texts.size.partition(" ")
    p = f"<small>p {_text(texts.p) if texts.p.startswith('<') else f'= {texts.p}'}</small>" if texts.p else ""
    symbol = f'<span style="color: {COLOURS[outcome]}" aria-hidden="true">{OUTCOMES[outcome]}</span>'
    needed = f"<small>about {float(f'{row.n_needed:.2g}'):.0f} needed</small>" if row.n_needed is not None else ""
    how = f"<small>{_text(texts.how)}</small>" if texts.how else ""
    better = "higher" if row.higher_is_better else "lower"
    reason = f'<tr><td class="wide" colspan="7"><small>{_text(row.reason)}</small></td></tr>' if row.reason else ""
    return (
        f"<tr{' class=behind' if reason else ''}>"
        f'<th scope="row">{_text(row.label)}<small>{unit.strip()}{", " if unit else ""}{better} is better</small></th>'
        f'<td class="nowrap" data-what="{_text(first)}">{_text(texts.b)}</td>'
        f'<td class="nowrap" data-what="{_text(other)}">{_text(texts.a)}</td>'
        f'<td class="nowrap" data-what="{what}">{_text(value)}<small>{_text(interval)}</small></td>'
        f'<td class="wide">{_bar(row, outcome, bars.get(row.number))}</td>'
        f'<td class="nowrap" data-what="outcome">{symbol} {outcome}{p}</td>'
        f'<td data-what="from">{_text(texts.n)}{needed}{how}</td>'
        f"</tr>{reason}"
    )


def _bar(row: ComparisonRow, outcome: Outcome, bar: IntervalBar | None) -> str:
    """Return the bar as boxes: a line for no difference, the interval, and the value as a diamond (hollow without one)."""
    if bar is None:
        return ""
    colour, texts = COLOURS[outcome], row_texts(row)
    line = ""
    if bar.low is not None and bar.high is not None:
        left, width = 100 * bar.low, 100 * (bar.high - bar.low)
        line = (
            f'<i style="left: {left:.2f}%; width: {width:.2f}%; top: 0.5rem; height: 0.3rem; background: {colour}"></i>'
        )
    fill = colour if line else "transparent"
    place = f"left: calc({100 * bar.at:.2f}% - 0.3rem); top: 0.35rem; width: 0.6rem; height: 0.6rem"
    mark = f'<i style="{place}; background: {fill}; border: 2px solid {colour}; transform: rotate(45deg)"></i>'
    said = _text(f"{texts.size}, {outcome}")
    return f'<div class="track" role="img" aria-label="{said}"><i class="zero"></i>{line}{mark}</div>'


def _text(text: str) -> str:
    """Return a stranger's text as HTML that shows it as it is, on one line."""
    return escape(legible(" ".join(text.split())))
