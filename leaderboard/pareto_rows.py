"""What stands around the Pareto picture, as HTML: its legend, and its points as a table; texts in it come from strangers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from effbench.report.columns import Column
from effbench.report.panel import PointKind
from effbench.report.pareto import ParetoPicture
from effbench.report.pareto_table import ParetoRow
from effbench_leaderboard.address import ENTRY_TAB, METHOD, TAB, TASK, link

SIGNS = {(True, False): "◆", (True, True): "◇", (False, False): "●", (False, True): "○"}
"""(is the reference, is simulated) -> the marker's shape."""


def legend_html(kinds: Sequence[PointKind]) -> str:
    """Return what the markers are, each in its own colour."""
    entries = [
        f'<li><span style="color: {kind.colour}" aria-hidden="true">{SIGNS[kind.is_reference, kind.is_hollow]}</span> '
        f"{escape(kind.words)}</li>"
        for kind in reversed(kinds)
    ]
    return f'<ul class="legend" aria-label="markers">{"".join(entries)}</ul>'


def rows_html(title: str, picture: ParetoPicture, rows: Sequence[ParetoRow]) -> str:
    """Return the table of a workload's picture; a name leads to its method, and what no row has takes no column."""
    has_probability = any(point.probability is not None for point in picture.points)
    head = '<th scope="col" class="text">method</th>' + _heading(picture.x) + _heading(picture.y)
    head += '<th scope="col">front</th>' + ('<th scope="col">probability</th>' if has_probability else "")
    body = "".join(_row(title, picture, row, has_probability) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _heading(column: Column) -> str:
    return (
        f'<th scope="col">{escape(column.label)}<small>{escape(f"{column.unit} {column.arrow}".strip())}</small></th>'
    )


def _row(title: str, picture: ParetoPicture, row: ParetoRow, has_probability: bool) -> str:
    where = link(**{TASK: title, TAB: ENTRY_TAB, METHOD: row.name})
    kind = f"<small>{escape(row.kind)}</small>" if row.kind else ""
    cells = f'<th scope="row"><a href="{escape(where)}" target="_self">{escape(row.name)}</a>{kind}</th>'
    cells += _number(picture.x, row.x) + _number(picture.y, row.y)
    cells += f'<td data-label="front">{escape(row.front)}</td>'
    cells += f'<td data-label="probability">{escape(row.probability)}</td>' if has_probability else ""
    return f"<tr>{cells}</tr>"


def _number(column: Column, texts: tuple[str, str]) -> str:
    value, interval = texts
    label = escape(f"{column.label} {column.unit}".strip())
    return f'<td data-label="{label}">{escape(value)}{f"<small>{escape(interval)}</small>" if interval else ""}</td>'
