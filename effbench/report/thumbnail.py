"""A small picture of a workload for a card: speed-up across, primary quality upright, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from effbench.report.columns import primary_of
from effbench.report.overview import speed_column
from effbench.report.pareto import front
from effbench.report.summarise import WorkloadCells, number_of

WIDTH, HEIGHT, MARGIN = 320, 150, 14
"""Pixels: a card's width, and room for half a marker and the words along the axes."""

FRONT, BEHIND, REFERENCE, WORDS = "#2b8fd0", "#8f959c", "#e0701a", "#84898f"
"""Okabe and Ito's blue and vermilion and a grey, each between white and black: they read on a light card and a dark one."""

MOST_POINTS = 300
"""More crosses than that are a blot at this size; the first ones in suite order are drawn."""


class _Dot(NamedTuple):
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    is_reference: bool


def thumbnail(workload: WorkloadCells) -> str:
    """Return the picture as SVG, ``""`` where fewer than two methods have both numbers. Better is up and to the right."""
    quality, speed = primary_of(workload, "quality"), speed_column(workload)
    if quality is None or speed is None:
        return ""
    dots: list[_Dot] = []
    for cell in workload.cells[:MOST_POINTS]:
        spans = []
        for name in (speed.name, quality.name):
            number = number_of(cell, name)
            if number is not None and number.value is not None:
                low = number.value if number.ci_low is None else number.ci_low
                spans.append((low, number.value, number.value if number.ci_high is None else number.ci_high))
        if len(spans) == 2:
            dots.append(_Dot(spans[0], spans[1], cell.role == "reference"))
    if len(dots) < 2:
        return ""
    ahead = front([(dot.x[1], dot.y[1]) for dot in dots], True, quality.higher_is_better)
    across = _scale([bound for dot in dots for bound in dot.x], MARGIN, WIDTH - MARGIN)
    upright = _scale([bound for dot in dots for bound in dot.y], HEIGHT - 2 * MARGIN, MARGIN)
    if not quality.higher_is_better:
        upright = _scale([bound for dot in dots for bound in dot.y], MARGIN, HEIGHT - 2 * MARGIN)
    shapes = [_shape(dot, is_ahead, across, upright) for dot, is_ahead in zip(dots, ahead)]
    words = (
        f'<text x="{WIDTH - 2}" y="{HEIGHT - 3}" text-anchor="end" fill="{WORDS}">faster →</text>'
        f'<text x="2" y="{HEIGHT - 3}" fill="{WORDS}">↑ better</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="11">{"".join(shapes)}{words}</svg>'
    )


class _Scale(NamedTuple):
    low: float
    width: float
    begin: float
    end: float

    def __call__(self, value: float) -> float:
        return self.begin + (self.end - self.begin) * (value - self.low) / self.width


def _scale(values: Sequence[float], begin: float, end: float) -> _Scale:
    low, high = min(values), max(values)
    return _Scale(low, high - low or 1.0, begin, end)


def _shape(dot: _Dot, is_ahead: bool, across: _Scale, upright: _Scale) -> str:
    colour = REFERENCE if dot.is_reference else FRONT if is_ahead else BEHIND
    left, x, right = (across(bound) for bound in dot.x)
    low, y, high = (upright(bound) for bound in dot.y)
    lines = f'<path d="M{left:.1f} {y:.1f}H{right:.1f}M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour}" opacity=".55"/>'
    if dot.is_reference:
        return f'{lines}<path d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z" fill="{colour}"/>'
    return f'{lines}<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
