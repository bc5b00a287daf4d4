"""Which points of a Pareto picture carry their name, and where the names stand: of one rule for print and for screens.

The reference is named first, then the front, then what is most probably on it; a name that finds no free place is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from effbench.report.label_ground import STEPS, Box, Spot
from effbench.report.labels import place_labels
from effbench.report.lettering import shortened, text_width
from effbench.report.pareto import ParetoPicture, ParetoPoint

MOST_NAMES = 40
"""Names that are tried at all: more than a screen holds side by side, and each takes milliseconds to place."""

LONGEST_NAME, SHORTEST_NAME, PX_PER_SIGN = 28, 14, 16
"""Signs of a name in a picture: a sign for so many pixels of its width, so that two names and their probabilities stand side
by side on a phone, and no more than tells methods apart on a large screen."""

LINE_HEIGHT = 1.35
"""Height of a line of text in sizes of its font, as browsers set it."""

FARTHEST = (STEPS[-1], STEPS[-1], 4.6)
"""How far off its point the name of the reference, of the front and of what lies behind it may stand, in gaps: long lines to
methods that nobody would choose hide those that somebody would."""

RULE = "A name that would cover another or a point is left out; those of the reference and the front come first."
"""Says what is missing where names are (``place_names``)."""


class PlacedName(NamedTuple):
    """A name beside its point: ``right`` and ``up`` are pixels from the point to a place on the middle line of the text.

    That place is the text's end (``left``, ``right``) next to the point, or its middle (``center``): the width of the text is
    an upper estimate, and what it is too large by had better be on the far side.
    """

    point: int
    text: str
    side: Literal["left", "center", "right"]
    right: float
    up: float
    needs_leader: bool


def name_text(point: ParetoPoint, most: int = LONGEST_NAME) -> str:
    """Return what stands beside a point: its name of at most so many signs, and its probability."""
    return point.named(shortened(point.name, most))


def wanted_names(picture: ParetoPicture) -> tuple[int, ...]:
    """Return the places of the points that get a name where there is room, the most important ``MOST_NAMES``.

    Where not all points have error bars, those without have no name either.
    """
    points, barred = picture.points, {id(point) for point in picture.barred}
    places = [place for place, point in enumerate(points) if id(point) in barred]
    order = sorted(places, key=lambda i: (_rank(points[i]), -(points[i].probability or 0.0), i))
    return tuple(sorted(order[:MOST_NAMES]))


def place_names(
    picture: ParetoPicture,
    frame: Box,
    sizes: Sequence[tuple[float, float] | None],
    gap: float,
    half_line: float,
    stretch: float = 1.0,
) -> tuple[Spot | None, ...]:
    """Return where the name of each point stands within a frame in pixels, y upwards, given (width, height) of each name.

    None of a size has no name. Names rather not cover error bars, lines of twice ``half_line``, and still less the front,
    which counts as twice as thick; ``stretch`` as in ``labels.place_labels``.
    """
    left, bottom, right, top = frame
    anchors = [(left + x * (right - left), bottom + y * (top - bottom)) for x, y in picture.shares]
    lines = [((p.across[0], p.at[1]), (p.across[1], p.at[1])) for p in picture.barred]
    lines += [((p.at[0], p.upright[0]), (p.at[0], p.upright[1])) for p in picture.barred]
    halves = [(line, half_line) for line in lines] + [(line, 2 * half_line) for line in pairwise(front_line(picture))]
    obstacles = []
    for (start, end), half in halves:
        (x, y), (u, v) = _pixels(picture, frame, start), _pixels(picture, frame, end)
        obstacles.append((min(x, u) - half, min(y, v) - half, max(x, u) + half, max(y, v) + half))
    ranks = [_rank(point) for point in picture.points]
    return place_labels(anchors, sizes, obstacles, frame, gap, ranks=ranks, farthest=FARTHEST, stretch=stretch)


def names_on_screen(
    picture: ParetoPicture, width: float, height: float, font_px: float, gap: float, stretch: float
) -> tuple[PlacedName, ...]:
    """Return the names that have room in a plot of so many pixels, and in one up to ``stretch`` times as wide."""
    most = int(min(max(width / PX_PER_SIGN, SHORTEST_NAME), LONGEST_NAME))
    texts = {index: name_text(picture.points[index], most) for index in wanted_names(picture)}
    sizes = [
        (text_width(texts[index], font_px), LINE_HEIGHT * font_px) if index in texts else None
        for index in range(len(picture.points))
    ]
    frame = (0.0, 0.0, width, height)
    found = []
    for index, spot in enumerate(place_names(picture, frame, sizes, gap, 1.0, stretch)):
        if spot is not None:
            x, y = _pixels(picture, frame, picture.points[index].at)
            found.append(_beside(index, texts[index], spot, x, y))
    return tuple(found)


def front_line(picture: ParetoPicture) -> list[tuple[float, float]]:
    """Return the staircase with its two ends drawn out to where the picture ends on the worse side of each axis."""
    on_x, on_y = picture.scales
    stairs = list(picture.staircase)
    if picture.x.higher_is_better:
        stairs.reverse()
    worst = (
        on_x.low if picture.x.higher_is_better else on_x.high,
        on_y.low if picture.y.higher_is_better else on_y.high,
    )
    return [(stairs[0][0], worst[1]), *stairs, (worst[0], stairs[-1][1])]


def _beside(point: int, text: str, spot: Spot, x: float, y: float) -> PlacedName:
    left, bottom, right, top = spot.box
    up = (bottom + top) / 2 - y
    if left >= x:
        return PlacedName(point, text, "left", left - x, up, spot.needs_leader)
    if right <= x:
        return PlacedName(point, text, "right", right - x, up, spot.needs_leader)
    return PlacedName(point, text, "center", (left + right) / 2 - x, up, spot.needs_leader)


def _rank(point: ParetoPoint) -> int:
    return 0 if point.is_reference else 1 if point.on_front else 2


def _pixels(picture: ParetoPicture, frame: Box, at: tuple[float, float]) -> tuple[float, float]:
    (on_x, on_y), (left, bottom, right, top) = picture.scales, frame
    return left + on_x.share(at[0]) * (right - left), bottom + on_y.share(at[1]) * (top - bottom)
