"""The table of one comparison as HTML, in the board's look: a row per number, on a phone a card per number."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from effbench.legible import legible
from effbench.report.bars import IntervalBar
from effbench.report.caption import level_text
from effbench.report.compare import ComparisonRow, Outcome
from effbench.report.comparison_text import RowTexts, row_texts
from effbench.report.side_by_side import AgainstFirst

OUTCOMES: Mapping[Outcome, tuple[str, str]] = {
    "better": ("▲", "var(--blue)"),
    "worse": ("▼", "var(--red)"),
    "undecided": ("◇", "var(--soft)"),
    "unknown": ("?", "var(--soft)"),
}
"""Outcome -> its symbol and the colour of that and of the bar; the word always stands beside it."""

STYLE = """<style>
.eb.differences thead .ends { display: flex; justify-content: space-between; min-width: 9rem; }
.eb.differences tbody th { font-weight: 600; }
.eb.differences td.reason { text-align: left; border-top: 0; padding-top: 0; }
.eb.differences td.reason small { white-space: normal; overflow-wrap: anywhere; display: block; margin: 0; }
.eb.differences .bar { height: 13px; } .eb.differences .bar i { top: 5px; }
.eb.differences .bar b { top: 2.5px; width: 8px; height: 8px; margin-left: -4px; transform: rotate(45deg); }
.eb.differences .bar u { left: 50%; top: 0; border-left: 1px solid currentColor; }
.eb.differences td small { white-space: normal; }
.eb.differences td.nowrap small { white-space: nowrap; }
@media (max-width: 760px) {
  .eb.differences tbody th, .eb.differences td.reason { grid-column: 1 / -1; }
  .eb.differences tr.why { margin-top: -0.8rem; border-top: 0; border-top-left-radius: 0; border-top-right-radius: 0; }
}
</style>"""
"""What the board's style sheet lacks for it."""


def table_html(against: AgainstFirst, first: str, bars: Mapping[str, IntervalBar]) -> str:
    """Return the table of a method against the first one, with the bars of its numbers."""
    level = against.comparison.level
    ends = (
        f'<span class="ends"><span>worse</span><span>better</span></span><small>{level_text([level])} interval</small>'
    )
    heads = (
        ("number", "text"),
        (_text(first), ""),
        (_text(against.name), ""),
        ("difference<small>or ratio</small>", ""),
        (ends, "text"),
        ("outcome<small>after Holm's correction</small>", "text"),
        ("from", "text"),
    )
    head = "".join(f'<th scope="col" class="{kind}">{text}</th>' for text, kind in heads)
    rows = "".join(_row(row, level, first, against.name, bars) for row in against.comparison.rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'{STYLE}<div class="eb differences">{table}</div>'


def _row(row: ComparisonRow, level: float, first: str, other: str, bars: Mapping[str, IntervalBar]) -> str:
    """Return the row of a number, and below it one with what has to be known of it."""
    texts, outcome = row_texts(row), row.outcome(level)
    symbol, colour = OUTCOMES[outcome]
    value, _, interval = texts.size.partition(" ")
    unit = f"{row.unit}, " if row.unit else ""
    what = f"{unit}{'higher' if row.higher_is_better else 'lower'} is better"
    p = texts.p if texts.p.startswith("<") else f"= {texts.p}"
    cells = [
        f'<th scope="row">{_text(row.label)}<small>{_text(what)}</small></th>',
        f'<td class="nowrap" data-label="{_text(first)}">{_text(texts.b)}</td>',
        f'<td class="nowrap" data-label="{_text(other)}">{_text(texts.a)}</td>',
        f'<td class="nowrap" data-label="{row.kind}">{_text(value)}{_small(interval)}</td>',
        f'<td class="wide" data-label="worse | better">{_bar(bars.get(row.number), f"{texts.size}, {outcome}", colour)}</td>',
        f'<td class="text" data-label="outcome"><span style="color:{colour}" aria-hidden="true">{symbol}</span> {outcome}'
        f"{_small(f'p {p}') if texts.p else ''}</td>",
        f'<td class="text" data-label="from">{_from(row, texts)}</td>',
    ]
    why = f'<tr class="why"><td class="reason" colspan="7">{_small(row.reason)}</td></tr>' if row.reason else ""
    return f"<tr>{''.join(cells)}</tr>{why}"


def _from(row: ComparisonRow, texts: RowTexts) -> str:
    """Return of how many samples or rounds a difference is, and how many it takes to find one like it."""
    needed = f"about {float(f'{row.n_needed:.2g}'):.0f} needed" if row.n_needed is not None else ""
    return _text(texts.n or texts.how) + _small(needed) + (_small(texts.how) if texts.n else "")


def _bar(bar: IntervalBar | None, said: str, colour: str) -> str:
    """Return a bar: a line at no difference, the interval, and the value as a diamond."""
    if bar is None:
        return ""
    line = f'<i style="left:{100 * bar.low:.2f}%;width:{100 * (bar.high - bar.low):.2f}%;background:{colour}"></i>'
    mark = f'<b style="left:{100 * bar.at:.2f}%;background:{colour}"></b>'
    return f'<span class="bar" role="img" aria-label="{_text(said)}"><u></u>{line}{mark}</span>'


def _small(text: str) -> str:
    return f"<small>{_text(text)}</small>" if text else ""


def _text(text: str) -> str:
    """Return a stranger's text as HTML that shows it as it is, on one line."""
    return escape(legible(" ".join(text.split())))
