"""The scores of two methods per sample against each other, with the diagonal on which both are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go

from effbench.report.panel import BEHIND, FRONT, REFERENCE
from effbench.report.rounding import rounded
from effbench.report.samplewise import Key, Samplewise
from effbench.report.scatter import Scatter, ScatterPoint
from effbench_leaderboard.text import plain_label

HEIGHT = 440
"""Pixels: nearly square beside the chosen sample on a laptop, and whole on a phone's screen."""

SMALL, LARGE = 9, 34
"""Pixels: width of a point of one sample, and of that with the most samples on it."""

MOST_OF_PROMPT = 80
"""Characters of a prompt that a text over a point shows; the whole stands beside the picture."""

MARGIN = 0.06
"""Of the span of all scores, left free around them, so that no point is cut."""


def figure_of(
    scatter: Scatter, scores: Samplewise, names: tuple[str, str], caption: Callable[[Key], str] | None
) -> go.Figure:
    """Return the figure of a scatter; ``names`` are the first method, across, and the other one, upright.

    ``caption`` says what a sample asks for, where that is known.
    """
    low, high = scatter.span
    room = MARGIN * (high - low) or 0.5
    span = [low - room, high + room]
    figure = go.Figure()
    figure.add_scatter(
        x=span,
        y=span,
        mode="lines",
        line={"color": BEHIND, "width": 1, "dash": "dash"},
        hoverinfo="skip",
        showlegend=False,
    )
    for side in ("equal", "better", "worse"):
        points = [(at, point) for at, point in enumerate(scatter.points) if _side(point, scores) == side]
        if points:
            figure.add_trace(_trace(side, points, scatter, scores, names, caption))
    across, upright = (plain_label(f"{name}: {scores.label}") for name in names)
    axis = {"range": span, "zeroline": False, "showgrid": True}
    figure.update_layout(
        height=HEIGHT,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        xaxis={"title": across, **axis},
        yaxis={"title": upright, **axis},
        clickmode="event+select",
        dragmode=False,
    )
    return figure


def picked_row(event: Any, scatter: Scatter) -> int | None:
    """Return the row of the pairs that a point which a reader chose stands for, the first one of several; else None."""
    chosen = event.selection.points if event is not None else []
    for point in chosen:
        place = point.get("customdata")
        place = place[0] if isinstance(place, list) else place
        if isinstance(place, int) and 0 <= place < len(scatter.points):
            return scatter.points[place].rows[0]
    return None


def _side(point: ScatterPoint, scores: Samplewise) -> str:
    if point.other == point.first:
        return "equal"
    return "better" if (point.other > point.first) == scores.number.higher_is_better else "worse"


def _trace(
    side: str,
    points: list[tuple[int, ScatterPoint]],
    scatter: Scatter,
    scores: Samplewise,
    names: tuple[str, str],
    caption: Callable[[Key], str] | None,
) -> go.Scatter:
    symbol, colour = {"better": ("triangle-up", FRONT), "worse": ("triangle-down", REFERENCE)}.get(
        side, ("diamond", BEHIND)
    )
    most = max(len(point.rows) for point in scatter.points)
    counts = [len(point.rows) for _, point in points]
    sizes = [SMALL + (LARGE - SMALL) * ((count - 1) / (most - 1)) ** 0.5 if most > 1 else SMALL for count in counts]
    return go.Scatter(
        x=[point.first for _, point in points],
        y=[point.other for _, point in points],
        mode="markers+text" if scatter.shares_places else "markers",
        text=[str(count) if count > 1 else "" for count in counts],
        textposition="middle right",
        cliponaxis=False,
        marker={"symbol": symbol, "size": sizes, "color": colour, "opacity": 0.9, "line": {"width": 0}},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 0.9}},
        customdata=[[at] for at, _ in points],
        hovertext=[_hover(point, scores, names, caption) for _, point in points],
        hovertemplate="%{hovertext}<extra></extra>",
        name=plain_label(f"{names[1]} {side}"),
    )


def _hover(
    point: ScatterPoint, scores: Samplewise, names: tuple[str, str], caption: Callable[[Key], str] | None
) -> str:
    """Return the text over a point: sample, prompt and both scores; of several samples the first and how many more."""
    pairs, row = scores.pairs[names[1]], point.rows[0]
    key = pairs.ids[row], pairs.seeds[row]
    prompt = caption(key) if caption is not None else key[0]
    prompt = prompt if len(prompt) <= MOST_OF_PROMPT else f"{prompt[:MOST_OF_PROMPT]}..."
    more = [f"and {len(point.rows) - 1} more"] if len(point.rows) > 1 else []
    values = [f"{name}: {rounded(value, None, None)[0]}" for name, value in zip(names, (point.first, point.other))]
    lines = [*([] if prompt == key[0] else [prompt]), *more, *values]
    return "<br>".join([f"<b>{plain_label(f'{key[0]}, seed {key[1]}')}</b>", *map(plain_label, lines)])
