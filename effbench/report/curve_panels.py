"""Curves over time as a file that one would put into a paper: one panel per sample, a line per method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from effbench.report.curves import CurvePicture, MetricCurve
from effbench.report.panel import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A8A8A")
"""Okabe and Ito's colours, which colour-blind readers tell apart."""


SCREEN_PALETTE = tuple(colour for colour in PALETTE if colour != "#000000")
"""Of them those that are seen on a light page and on a dark one."""


class Look(NamedTuple):
    """How a method's line is drawn; dashed where all colours are taken."""

    colour: str
    is_dashed: bool


def looks_of(pictures: Sequence[CurvePicture], palette: Sequence[str] = PALETTE) -> dict[str, Look]:
    """Return a look per method, the same in every panel."""
    names = list(dict.fromkeys(curve.name for picture in pictures for curve in picture.curves))
    return {name: Look(palette[place % len(palette)], place >= len(palette)) for place, name in enumerate(names)}


def draw_curves(axes: Axes, picture: CurvePicture, looks: dict[str, Look]) -> dict[str, Line2D]:
    """Draw one panel and return method -> its line; what needs no steps is a cross, dotted on from when it was there."""
    axes.set_title(picture.heading, loc="left", pad=8, parse_math=False)
    unit = f" ({picture.column.unit})" if picture.column.unit else ""
    axes.set_xlabel("seconds since the sample was given")
    axes.set_ylabel(f"{picture.column.label}{unit}", parse_math=False)
    axes.set_xscale("log")
    if picture.is_logarithmic:
        axes.set_yscale("log")
    if picture.curves:
        axes.set_xlim(*picture.span_s)
    lines = {curve.name: _draw(axes, curve, looks[curve.name], axes.get_xlim()[1]) for curve in picture.curves}
    if picture.goal is not None:
        axes.axhline(picture.goal, color=INK, lw=0.8, ls="--", zorder=1)
        axes.text(0.01, picture.goal, picture.goal_text, transform=axes.get_yaxis_transform(), ha="left", va="bottom",
                  fontsize=7.5, color=INK, parse_math=False)  # fmt: skip
    return lines


def _draw(axes: Axes, curve: MetricCurve, look: Look, end: float) -> Line2D:
    colour = look.colour
    if len(curve.values) == 1:
        axes.plot([curve.seconds[0], end], [curve.values[0]] * 2, color=colour, lw=0.9, ls=":", zorder=2)
        (cross,) = axes.plot(curve.seconds, curve.values, "x", color=colour, markersize=6, zorder=3)
        return cross
    style = (0, (5, 2)) if look.is_dashed else "solid"
    (line,) = axes.plot(curve.seconds, curve.values, color=colour, lw=1.5, ls=style, zorder=4)
    return line
