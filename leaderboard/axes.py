"""Titles and numbers along the axes of a figure that a phone shows too, and what a page's style sheet does to it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from effbench.report.columns import Column
from effbench.report.lettering import text_width
from effbench.report.scales import AxisScale
from effbench_leaderboard.text import plain_label

FONT_PX, LINE_PX = 12, 16
"""Of names and titles: the size of the board's small print."""

TITLE_SIGNS = 46
"""Signs in a line of an axis title: what a phone's width holds."""

MOST_TICK_PX = 90
"""Room for numbers at the upright axis: a quarter of a phone; longer ones are cut, and stand whole in the table."""

LOG_TICK_PX = 48
"""Room for numbers at a logarithmic axis: ``0.0001`` or ``10k``."""


def title_lines(column: Column, is_upright: bool) -> list[str]:
    """Return an axis title in lines that a phone holds, with an arrow that points to where better is."""
    unit = f" ({column.unit})" if column.unit else ""
    if is_upright:
        text = f"{column.label}{unit}, better {'↑' if column.higher_is_better else '↓'}"
    else:
        text = f"{column.label}{unit}, better →" if column.higher_is_better else f"← better, {column.label}{unit}"
    return [plain_label(line) for line in textwrap.wrap(text, TITLE_SIGNS)[:3]]


def title_room(lines: Sequence[str]) -> int:
    """Return the room that the title of an upright axis takes above the plot."""
    return 10 + LINE_PX * len(lines)


def upright_title(lines: Sequence[str], left: int) -> dict[str, object]:
    """Return the upright axis's title, read like any text and above its axis, since a phone has no room beside it.

    ``left`` is the margin of the plot in pixels.
    """
    return {
        "x": 0,
        "y": 1,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "xshift": -left + 2,
        "yshift": 4,
        "align": "left",
        "showarrow": False,
        "text": "<br>".join(lines),
        "font": {"size": FONT_PX + 1},
    }


def tick_room(scale: AxisScale) -> int:
    """Return the width of the numbers at an upright axis, as Plotly will write them, with the gap to the axis."""
    if scale.is_logarithmic:
        return LOG_TICK_PX
    decimals = max(0, -math.floor(math.log10((scale.high - scale.low) / 6)))
    widest = max((f"{end:.{min(decimals, 12)}f}" for end in (scale.low, scale.high)), key=len)
    return min(14 + math.ceil(text_width(widest, FONT_PX)), MOST_TICK_PX)


def plain_rules(frame: str) -> list[str]:
    """Return rules for the figure in the container of that key: text in the page's own colour, and no touches.

    Under a finger Plotly would keep all touches for itself, and a phone could not be scrolled past the plot.
    """
    inside = f".st-key-{frame}"
    return [
        f"@media (pointer: coarse) {{{inside} .nsewdrag {{pointer-events: none !important}}}}",
        f"{inside} g.annotation text, {inside} .xtitle {{fill: currentColor !important}}",
        f"{inside} .xaxislayer-above text, {inside} .yaxislayer-above text {{fill: currentColor !important}}",
    ]
