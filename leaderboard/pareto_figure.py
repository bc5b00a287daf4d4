"""The Pareto picture for Plotly: a plot of known size, so that names placed for it beforehand do not cover one another.

A server does not know how wide a page is. Names are therefore placed for several ranges of widths (``report.labels`` keeps
them apart over a whole range), all are in the figure, and a style sheet shows those of the range that the page is in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import plotly.graph_objects as go

from effbench.report.caption import samples_text
from effbench.report.panel import BEHIND, FRONT, PointKind, kind_of, kinds_of
from effbench.report.pareto import ParetoPicture, ParetoPoint, probability_text
from effbench.report.pareto_names import PlacedName, front_line, names_on_screen
from effbench.report.pareto_table import number_text
from effbench.report.scales import AxisScale
from effbench.report.trust import badge_of
from effbench_leaderboard.axes import FONT_PX, LINE_PX, plain_rules, tick_room, title_lines, title_room, upright_title
from effbench_leaderboard.text import plain_label

FRAME = "pareto-frame"
"""Key of the container that holds the chart; the style sheet asks how wide this one is, not the screen."""

WIDTHS = (280, 320, 400, 520, 700, 940, 1220, 1500)
"""Pixels: where each range of widths begins, and where the last one ends, wider than which the chart is never drawn.

From a phone to a large screen in steps of a third: the fewer steps, the fewer names stay apart over a whole one."""

PLOT_HEIGHT = 440
"""Pixels: half of a phone's screen, so that what stands around the plot is seen with it."""

NAME_GAP_PX = 11
"""Between the middle of a marker and its name: the marker's radius and as much again."""

MARKER_PX, SMALL_PX, MANY = 11, 6, 200
"""Diameter of markers, and that of points behind the front where more than so many would be one blot."""


class Margins(NamedTuple):
    """Pixels around the plot."""

    left: int
    right: int
    top: int
    bottom: int


def margins_of(picture: ParetoPicture) -> Margins:
    """Return the room that the titles and numbers of both axes take."""
    top, bottom = title_room(title_lines(picture.y, True)), 28 + LINE_PX * len(title_lines(picture.x, False))
    return Margins(tick_room(picture.scales[1]), 14, top, bottom)


def names_for_widths(picture: ParetoPicture) -> tuple[tuple[PlacedName, ...], ...]:
    """Return the names that have room in each range of ``WIDTHS``."""
    margins = margins_of(picture)
    plots = [width - margins.left - margins.right for width in WIDTHS]
    return tuple(
        names_on_screen(picture, narrow, PLOT_HEIGHT, FONT_PX, NAME_GAP_PX, wide / narrow)
        for narrow, wide in pairwise(plots)
    )


def style_of(names: Sequence[Sequence[PlacedName]]) -> str:
    """Return the style sheet that shows, of a figure with these names, those which were placed for its width."""
    frame, first = f".st-key-{FRAME}", 1  # the upright axis's title comes before all names
    rules = [
        f"{frame} {{container-type: inline-size}}",
        *plain_rules(FRAME),
        f"{frame} g.annotation:not([data-index='0']) {{display: none}}",
    ]
    for placed, (narrow, wide) in zip(names, pairwise(WIDTHS)):
        shown = ", ".join(f"{frame} g.annotation[data-index='{first + turn}']" for turn in range(len(placed)))
        upper = "" if wide == WIDTHS[-1] else f" and (max-width: {wide - 0.02}px)"
        if shown:
            rules.append(f"@container (min-width: {narrow}px){upper} {{{shown} {{display: inline}}}}")
        first += len(placed)
    return f"<style>{' '.join(rules)}</style>"


def figure_of(picture: ParetoPicture, names: Sequence[Sequence[PlacedName]] = ()) -> go.Figure:
    """Return the figure of a picture that has points; a point's ``customdata`` is its place in the picture."""
    figure, (on_x, on_y), margins = go.Figure(), picture.scales, margins_of(picture)
    across, upright = zip(*front_line(picture))
    figure.add_scatter(x=across, y=upright, mode="lines", line={"color": FRONT, "width": 2}, hoverinfo="skip")
    places = {id(point): place for place, point in enumerate(picture.points)}
    barred = {id(point) for point in picture.barred}
    for kind in kinds_of(picture.points):
        points = [point for point in picture.points if kind_of(point) == kind]
        bars = [point for point in points if id(point) in barred]
        figure.add_scatter(
            x=[point.at[0] for point in points],
            y=[point.at[1] for point in points],
            error_x=_bars(kind, [point.at[0] for point in bars], [point.across for point in bars], on_x),
            error_y=_bars(kind, [point.at[1] for point in bars], [point.upright for point in bars], on_y),
            mode="markers",
            marker=_marker(kind, len(picture.points)),
            unselected={"marker": {"opacity": 1}},
            customdata=[places[id(point)] for point in points],
            hovertext=[_hover(picture, point) for point in points],
            hovertemplate="%{hovertext}<extra></extra>",
            name=kind.words,
        )
    figure.update_layout(
        height=PLOT_HEIGHT + margins.top + margins.bottom,
        margin={"l": margins.left, "r": margins.right, "t": margins.top, "b": margins.bottom, "pad": 0},
        showlegend=False,
        hovermode="closest",
        annotations=[
            upright_title(title_lines(picture.y, True), margins.left),
            *(_annotation(picture, n) for placed in names for n in placed),
        ],
        xaxis={**_axis(on_x), "title": {"text": "<br>".join(title_lines(picture.x, False)), "standoff": 8}},
        yaxis=_axis(on_y),
    )
    return figure


def _axis(scale: AxisScale) -> dict[str, object]:
    """Return an axis that stays as it is: a zoom would move points under names."""
    return {
        "type": "log" if scale.is_logarithmic else "linear",
        "range": scale.ends,
        "fixedrange": True,
        "automargin": False,
        "zeroline": False,
        "showgrid": True,
    }


def _marker(kind: PointKind, count: int) -> dict[str, object]:
    is_small = kind.colour == BEHIND and count > MANY
    return {
        "symbol": ("diamond" if kind.is_reference else "circle") + ("-open" if kind.is_hollow else ""),
        "size": SMALL_PX if is_small else MARKER_PX,
        "color": kind.colour,
        "line": {"width": 2 if kind.is_hollow else 0},
    }


def _bars(
    kind: PointKind, values: Sequence[float], bounds: Sequence[tuple[float, float]], scale: AxisScale
) -> dict[str, object]:
    """Return error bars of all points of a trace, or none; what reaches below a logarithmic axis ends where that begins."""
    if not values:
        return {"visible": False}
    red, green, blue = (int(kind.colour[start : start + 2], 16) for start in (1, 3, 5))
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, (_, high) in zip(values, bounds)],
        "arrayminus": [value - scale.shown(low) for value, (low, _) in zip(values, bounds)],
        "color": f"rgba({red}, {green}, {blue}, 0.8)",
        "thickness": 1.2,
        "width": 3,
    }


def _annotation(picture: ParetoPicture, name: PlacedName) -> dict[str, object]:
    """Return a name beside its point, with a line to it where it stands far off."""
    point = picture.points[name.point]
    x, y = (math.log10(value) if scale.is_logarithmic else value for value, scale in zip(point.at, picture.scales))
    where: dict[str, object] = {"showarrow": False, "xshift": name.right, "yshift": name.up}
    if name.needs_leader:
        line = {"arrowhead": 0, "arrowwidth": 1, "arrowcolor": BEHIND, "standoff": MARKER_PX / 2}
        where = {"showarrow": True, "ax": name.right, "ay": -name.up, **line}
    return {
        "x": x,
        "y": y,
        "text": plain_label(name.text),
        "font": {"size": FONT_PX},
        "borderpad": 0,
        "xanchor": name.side,
        "yanchor": "middle",
        **where,
    }


def _hover(picture: ParetoPicture, point: ParetoPoint) -> str:
    lines = [
        " ".join(filter(None, (f"{column.label}:", *number_text(number), column.unit)))
        for column, number in ((picture.x, point.x), (picture.y, point.y))
    ]
    if point.probability is not None:
        lines.append(f"probability of being on the front: {probability_text(point.probability)}")
    lines.append(f"{badge_of(point.cell)}, {samples_text(point.cell)}")
    return "<br>".join([f"<b>{plain_label(point.name)}</b>", *map(plain_label, lines)])
