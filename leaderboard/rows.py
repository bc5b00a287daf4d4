"""The rows of the Board tab as HTML: a table on a screen, cards on a phone; every text in it comes from strangers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from effbench.record import CellRecord
from effbench.report.board import Bar, BoardRow
from effbench.report.columns import Column
from effbench.report.ranks import RANK_TEXT
from effbench.report.standing import SELF_REPORTED
from effbench.report.summarise import WorkloadCells, name_of
from effbench.report.tables import Table, TableEntry
from effbench.report.trust import CONTRADICTED, IN_PART, PASSED, UNCHECKED, noise_text
from effbench_leaderboard.address import ENTRY_TAB, link

SYMBOLS = {PASSED: "●", IN_PART: "◐", UNCHECKED: "◌", CONTRADICTED: "⚠", "simulated": "○"}
FAILED_SYMBOL = "✕"
"""Badge -> its symbol, the fuller the more is shown; told apart without colour."""

BADGE_TEXT = (
    "real: what was scored is what was timed; checks passed: every honesty check found its evidence, in the run itself (see "
    "Entry); checked in part: one had no evidence; not checked: none ran; simulated: quality only"
)
NOISE_TEXT = "how quiet the machine was while this was timed: A, B or C"


def badge(name: str) -> str:
    """Return a badge with its symbol: ``● real (checks passed)``."""
    return f"{SYMBOLS.get(name, FAILED_SYMBOL)} {name}"


def table_html(
    workload: WorkloadCells,
    table: Table,
    rows: Sequence[BoardRow],
    checked: Sequence[str],
    kept: Mapping[str, Mapping[int, float]],
) -> str:
    """Return the table.

    ``checked`` says of each cell of the workload who checked it (``facets.checked_by``); ``kept`` of the numbers that were
    resampled for it, by position, in which share of the resamples a method keeps its rank.
    """
    has_noise = any(row.row.cell.noise for row in rows)
    has_groups = any(row.group is not None for row in rows)
    is_checked = any(words != SELF_REPORTED for words in checked)
    head = [_heading("#", RANK_TEXT, "rank")] if has_groups else []
    head += [_heading("method", "", "text"), _heading("execution", BADGE_TEXT, "text")]
    head += (
        [_heading("where", "what tells the places apart: machine, device, dtype", "text")] if table.shows_where else []
    )
    head += [_number_heading(column) for column in table.columns]
    head += [_heading("noise", NOISE_TEXT, "text")] if has_noise else []
    body = []
    is_other = False
    for row in rows:
        is_other ^= row.is_group_start
        kinds = {"pinned": row.row.is_reference, "first": row.is_group_start, "grouped": row.group is not None}
        kinds["other"] = is_other and row.group is not None
        cells = [_rank(row)] if has_groups else []
        cells.append(_method(workload, row, checked[row.position] if is_checked else ""))
        cells.append(_execution(row))
        cells += [f'<td class="text" data-label="where">{escape(row.row.where)}</td>'] if table.shows_where else []
        cells += [
            _entry(column, entry, bar, kept.get(column.name, {}).get(row.position))
            for column, entry, bar in zip(table.columns, row.row.entries, row.bars)
        ]
        cells += [_noise(row.row.cell)] if has_noise else []
        body.append(f'<tr class="{" ".join(kind for kind, holds in kinds.items() if holds)}">{"".join(cells)}</tr>')
    return f"<table><thead><tr>{''.join(head)}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _heading(text: str, tip: str, kind: str) -> str:
    shown = f'<abbr title="{escape(tip)}">{escape(text)}</abbr>' if tip else escape(text)
    return f'<th scope="col" class="{kind}">{shown}</th>'


def _number_heading(column: Column) -> str:
    tip = f"{column.name}, {column.axis}; {'higher' if column.higher_is_better else 'lower'} is better"
    unit = f"{column.unit} {column.arrow}".strip()
    return (
        f'<th scope="col"><abbr title="{escape(tip)}">{escape(column.label)}</abbr><small>{escape(unit)}</small></th>'
    )


def _rank(row: BoardRow) -> str:
    """Return the rank, once for those that share it: a line down the side holds them together."""
    return f'<td class="rank">{f"#{row.group}" if row.is_group_start else ""}</td>'


def _method(workload: WorkloadCells, row: BoardRow, checked: str) -> str:
    where = link(task=workload.title, tab=ENTRY_TAB, method=name_of(workload, row.row.cell))
    below = "reference" if row.row.is_reference else ""
    below = "; ".join(filter(None, (below, checked)))
    small = f"<small>{escape(below)}</small>" if below else ""
    return f'<th scope="row"><a href="{escape(where)}" target="_self">{escape(row.row.method)}</a>{small}</th>'


def _execution(row: BoardRow) -> str:
    name = row.row.badge
    kind = "badge failed" if row.row.cell.status == "failed" else "badge"
    word, bracket, more = badge(name).partition("(")
    small = f"<small>{escape(bracket + more)}</small>" if more else ""
    return f'<td class="text" data-label="execution"><span class="{kind}">{escape(word.strip())}</span>{small}</td>'


def _noise(cell: CellRecord) -> str:
    if cell.noise is None:
        return '<td class="text" data-label="noise"></td>'
    tip, grade = escape(noise_text([cell.noise])), escape(cell.noise.grade)
    return f'<td class="text" data-label="noise"><abbr class="noise" title="{tip}">{grade}</abbr></td>'


def _entry(column: Column, entry: TableEntry, bar: Bar | None, kept: float | None) -> str:
    label = escape(f"{column.label} {column.unit}".strip())
    kind = " ".join(filter(None, ("grey" if entry.is_grey else "", "wide" if bar is not None else "")))
    marks = f"<sup>{escape(entry.marks)}</sup>" if entry.marks else ""
    if not entry.value:
        why = f"<small>{escape(entry.reason)}</small>" if entry.reason else ""
        return f'<td class="{kind} none" data-label="{label}">{escape(entry.head)}{marks}{why}</td>'
    small = f"<small>{escape(entry.interval)}</small>" if entry.interval else ""
    sure = "" if kept is None else f"<small>rank kept in {100 * kept:.0f} %</small>"
    return f'<td class="{kind}" data-label="{label}">{escape(entry.value)}{marks}{small}{_bar(bar)}{sure}</td>'


def _bar(bar: Bar | None) -> str:
    """Return an interval as a line with a tick at the value, and a dotted one at the reference's."""
    if bar is None:
        return ""
    low, value, high = (100 * share for share in bar[:3])
    mark = "" if bar.reference is None else f'<u style="left:{100 * bar.reference:.1f}%"></u>'
    line = f'<i style="left:{low:.1f}%;width:{high - low:.1f}%"></i><b style="left:{value:.1f}%"></b>'
    return f'<span class="bar">{line}{mark}</span>'
