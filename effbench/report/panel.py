"""One panel of the Pareto picture: points with error bars, the front as a staircase, and names that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from effbench.report.columns import Column
from effbench.report.labels import Box, place_labels
from effbench.report.pareto import ParetoPicture, ParetoPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRONT, BEHIND, REFERENCE, INK = "#0072B2", "#8A8A8A", "#D55E00", "#222222"
"""Okabe and Ito's blue and vermilion, which colour-blind readers tell apart, also in grey print."""

FOR_TEXT = {FRONT: "#00527F", BEHIND: "#555555", REFERENCE: "#A84900"}
"""The same colours, dark enough for small text on white."""

MARKER_SIZE = 6.5
"""Points (1/72 inch): twice the caps of the error bars, so that hollow and full are told apart in print."""

NAME_GAP = 5.5
"""Points (1/72 inch) between the middle of a marker and its name."""


def axis_title(column: Column) -> str:
    """Return an axis label: what, in which unit, and an arrow that points to where better is."""
    unit = f" ({column.unit})" if column.unit else ""
    return f"{column.label}{unit}   better →" if column.higher_is_better else f"← better   {column.label}{unit}"


def draw_panel(axes: Axes, picture: ParetoPicture) -> None:
    """Draw everything but the names, which need the final layout."""
    axes.set_title(picture.title, loc="left", pad=8, parse_math=False)
    axes.set_xlabel(axis_title(picture.x), parse_math=False)
    axes.set_ylabel(axis_title(picture.y), parse_math=False)
    if not picture.points:
        axes.text(0.5, 0.5, "no method has both numbers", ha="center", va="center", color=INK, transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    axes.set_xlim(*_limits([point.across for point in picture.points]))
    axes.set_ylim(*_limits([point.upright for point in picture.points]))
    path = _front_line(axes, picture)
    axes.fill(*zip(*path, (path[-1][0], path[0][1])), color=FRONT, alpha=0.05, lw=0, zorder=1)
    axes.plot(*zip(*path), color=FRONT, lw=1.3, alpha=0.8, zorder=2)
    for point in picture.points:
        _draw_point(axes, point)


def draw_names(axes: Axes, picture: ParetoPicture) -> None:
    """Write each method's name beside its point, off the other names, points, error bars and the front."""
    figure = axes.get_figure(root=True)
    if not picture.points or figure is None:
        return
    pixel = figure.dpi / 72
    written = [
        axes.text(
            0, 0, point.label, color=FOR_TEXT[colour_of(point)], fontsize=8.5, va="bottom", zorder=5, parse_math=False
        )
        for point in picture.points
    ]
    extents = [text.get_window_extent() for text in written]
    frame = axes.get_window_extent()
    spots = place_labels(
        [_pixels(axes, point.at) for point in picture.points],
        [(extent.width, extent.height) for extent in extents],
        _obstacles(axes, picture, 1.5 * pixel),
        (frame.x0, frame.y0, frame.x1, frame.y1),
        gap=NAME_GAP * pixel,
    )
    for text, spot, point in zip(written, spots, picture.points):
        left, bottom, right, top = spot.box
        text.set_position(_data(axes, (left, bottom)))
        if spot.needs_leader:
            x, y = _pixels(axes, point.at)
            end = _data(axes, (min(max(x, left), right), min(max(y, bottom), top)))
            axes.plot(*zip(point.at, end), color=colour_of(point), lw=0.7, zorder=2)


def colour_of(point: ParetoPoint) -> str:
    """Return the colour that says what a point is: the reference, on the front, or behind it."""
    if point.cell.role == "reference":
        return REFERENCE
    return FRONT if point.on_front else BEHIND


def _draw_point(axes: Axes, point: ParetoPoint) -> None:
    (x, y), (left, right), (low, high) = point.at, point.across, point.upright
    colour, is_hollow = colour_of(point), point.cell.execution == "simulated"
    xerr, yerr = [[x - left], [right - x]], [[y - low], [high - y]]
    axes.errorbar(x, y, yerr, xerr, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2, alpha=0.65, zorder=3)
    axes.plot(
        x,
        y,
        marker="D" if point.cell.role == "reference" else "o",
        markersize=MARKER_SIZE,
        markerfacecolor="white" if is_hollow else colour,
        markeredgecolor=colour if is_hollow else "white",
        markeredgewidth=1.2 if is_hollow else 0.8,
        zorder=4,
    )


def _front_line(axes: Axes, picture: ParetoPicture) -> list[tuple[float, float]]:
    """Return the staircase with its two ends drawn out to the frame on the worse side of each axis."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    stairs = list(picture.staircase)
    if picture.x.higher_is_better:
        stairs.reverse()
    worst = (left if picture.x.higher_is_better else right, low if picture.y.higher_is_better else high)
    return [(stairs[0][0], worst[1]), *stairs, (worst[0], stairs[-1][1])]


def _obstacles(axes: Axes, picture: ParetoPicture, half: float) -> list[Box]:
    """Return the error bars and the front's lines as thin boxes in pixels."""
    lines = [((point.across[0], point.at[1]), (point.across[1], point.at[1])) for point in picture.points]
    lines += [((point.at[0], point.upright[0]), (point.at[0], point.upright[1])) for point in picture.points]
    boxes = []
    for start, end in (*lines, *pairwise(_front_line(axes, picture))):
        (x, y), (u, v) = _pixels(axes, start), _pixels(axes, end)
        boxes.append((min(x, u) - half, min(y, v) - half, max(x, u) + half, max(y, v) + half))
    return boxes


def _limits(bounds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _pixels(axes: Axes, at: tuple[float, float]) -> tuple[float, float]:
    x, y = axes.transData.transform(at)
    return float(x), float(y)


def _data(axes: Axes, pixels: tuple[float, float]) -> tuple[float, float]:
    x, y = axes.transData.inverted().transform(pixels)
    return float(x), float(y)
