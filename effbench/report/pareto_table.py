"""A Pareto picture as a table, for who cannot see it or has a small screen: the front first, then the likeliest."""

from __future__ import annotations

from typing import NamedTuple

from effbench.record import Number
from effbench.report.pareto import MOST_LISTED, ParetoPicture, ParetoPoint, probability_text
from effbench.report.rounding import rounded

NO_PROBABILITY = "–"
"""Stands where a method has none, which the picture's note explains."""


class ParetoRow(NamedTuple):
    """A point in words: both numbers as (value, interval), whether it is on the front, how probable that is, and its kind."""

    name: str
    x: tuple[str, str]
    y: tuple[str, str]
    front: str
    probability: str
    kind: str


def rows_of(picture: ParetoPicture) -> tuple[ParetoRow, ...]:
    """Return a row per point: the front first, the others by probability; else from the best x on."""

    def place(point: ParetoPoint) -> tuple[bool, float, float, float]:
        across, upright = (
            -value if column.higher_is_better else value for value, column in zip(point.at, (picture.x, picture.y))
        )
        return not point.on_front, 0.0 if point.on_front else -(point.probability or 0.0), across, upright

    return tuple(_row(point) for point in sorted(picture.points, key=place))


def number_text(number: Number) -> tuple[str, str]:
    """Return a number that has a value, and its interval or ``""``: ``("812", "[796, 829]")``."""
    return rounded(number.value or 0.0, number.ci_low, number.ci_high)


def picture_text(picture: ParetoPicture) -> str:
    """Return what a picture shows, in words, for who cannot see it."""
    ahead = [point.name for point in picture.points if point.on_front]
    more = " and more" if len(ahead) > MOST_LISTED else ""
    return (
        f"{len(picture.points)} methods by {picture.x.label} (horizontal) and {picture.y.label} (vertical). "
        f"On the front: {', '.join(ahead[:MOST_LISTED])}{more}. The table below holds the numbers."
    )


def _row(point: ParetoPoint) -> ParetoRow:
    kind = "reference" if point.is_reference else "simulated" if point.is_simulated else ""
    likely = NO_PROBABILITY if point.probability is None else probability_text(point.probability)
    front = "yes" if point.on_front else "no"
    return ParetoRow(point.name, number_text(point.x), number_text(point.y), front, likely, kind)
