"""One panel of the Pareto picture: points with error bars, the front as a staircase, and names that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from effbench.report.columns import Column
from effbench.report.pareto import ParetoPicture, ParetoPoint
from effbench.report.pareto_names import front_line, name_text, place_names, wanted_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

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
    on_x, on_y = picture.scales
    axes.set(xscale="log" if on_x.is_logarithmic else "linear", yscale="log" if on_y.is_logarithmic else "linear")
    axes.set(xlim=(on_x.low, on_x.high), ylim=(on_y.low, on_y.high))
    path = front_line(picture)
    axes.fill(*zip(*path, (path[-1][0], path[0][1])), color=FRONT, alpha=0.05, lw=0, zorder=1)
    axes.plot(*zip(*path), color=FRONT, lw=1.3, alpha=0.8, zorder=2)
    for kind in kinds_of(picture.points):
        _draw_bars(axes, picture, [point for point in picture.barred if kind_of(point) == kind])
        _draw_points(axes, [point for point in picture.points if kind_of(point) == kind])


def draw_names(axes: Axes, picture: ParetoPicture) -> bool:
    """Write methods' names beside their points, off other names and points; return whether one found no room."""
    figure = axes.get_figure(root=True)
    if not picture.points or figure is None:
        return False
    pixel = figure.dpi / 72
    written = {index: _write(axes, picture.points[index]) for index in wanted_names(picture)}
    extents = {index: text.get_window_extent() for index, text in written.items()}
    frame = axes.get_window_extent()
    spots = place_names(
        picture,
        (frame.x0, frame.y0, frame.x1, frame.y1),
        [
            (extents[index].width, extents[index].height) if index in extents else None
            for index in range(len(picture.points))
        ],
        NAME_GAP * pixel,
        1.5 * pixel,
    )
    for index, text in written.items():
        spot, point = spots[index], picture.points[index]
        if spot is None:
            text.remove()
            continue
        left, bottom, right, top = spot.box
        text.set_position(_data(axes, (left, bottom)))
        if spot.needs_leader:
            x, y = _pixels(axes, point.at)
            end = _data(axes, (min(max(x, left), right), min(max(y, bottom), top)))
            axes.plot(*zip(point.at, end), color=colour_of(point), lw=0.7, zorder=2)
    return any(spot is None for spot in spots)


def colour_of(point: ParetoPoint) -> str:
    """Return the colour that says what a point is: the reference, on the front, or behind it."""
    if point.is_reference:
        return REFERENCE
    return FRONT if point.on_front else BEHIND


class PointKind(NamedTuple):
    """How points look: what is drawn as one, from the back to the front."""

    colour: str
    is_reference: bool
    is_hollow: bool

    @property
    def words(self) -> str:
        """Return what the kind is called."""
        name = "reference" if self.is_reference else "on the front" if self.colour == FRONT else "behind the front"
        return f"{name} (simulated)" if self.is_hollow else name


def kind_of(point: ParetoPoint) -> PointKind:
    """Return how a point looks."""
    return PointKind(colour_of(point), point.is_reference, point.is_simulated)


def kinds_of(points: Sequence[ParetoPoint]) -> tuple[PointKind, ...]:
    """Return the kinds that occur, in the order in which they are drawn: behind the front, on it, the reference."""
    order = (BEHIND, FRONT, REFERENCE)
    return tuple(
        sorted({kind_of(point) for point in points}, key=lambda kind: (order.index(kind.colour), kind.is_hollow))
    )


def _write(axes: Axes, point: ParetoPoint) -> Text:
    colour = FOR_TEXT[colour_of(point)]
    return axes.text(0, 0, name_text(point), color=colour, fontsize=8.5, va="bottom", zorder=5, parse_math=False)


def _draw_bars(axes: Axes, picture: ParetoPicture, points: Sequence[ParetoPoint]) -> None:
    """Draw the error bars of points of one kind; what reaches below a logarithmic axis ends where that begins."""
    if not points:
        return
    on_x, on_y = picture.scales
    xerr = [[p.at[0] - on_x.shown(p.across[0]) for p in points], [p.across[1] - p.at[0] for p in points]]
    yerr = [[p.at[1] - on_y.shown(p.upright[0]) for p in points], [p.upright[1] - p.at[1] for p in points]]
    x, y = zip(*(point.at for point in points))
    colour = colour_of(points[0])
    axes.errorbar(x, y, yerr, xerr, fmt="none", ecolor=colour, elinewidth=1.1, capsize=2, alpha=0.65, zorder=3)


def _draw_points(axes: Axes, points: Sequence[ParetoPoint]) -> None:
    kind = kind_of(points[0])
    axes.plot(
        *zip(*(point.at for point in points)),
        linestyle="none",
        marker="D" if kind.is_reference else "o",
        markersize=MARKER_SIZE,
        markerfacecolor="white" if kind.is_hollow else kind.colour,
        markeredgecolor=kind.colour if kind.is_hollow else "white",
        markeredgewidth=1.2 if kind.is_hollow else 0.8,
        zorder=4,
    )


def _pixels(axes: Axes, at: tuple[float, float]) -> tuple[float, float]:
    x, y = axes.transData.transform(at)
    return float(x), float(y)


def _data(axes: Axes, pixels: tuple[float, float]) -> tuple[float, float]:
    x, y = axes.transData.inverted().transform(pixels)
    return float(x), float(y)
