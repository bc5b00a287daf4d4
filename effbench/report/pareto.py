"""Which methods no other method beats on two axes at once, and where each stands, for any picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from effbench.errors import BadInput, nearest
from effbench.record import CellRecord, Number
from effbench.report.columns import AXES, Column, primary_of
from effbench.report.summarise import Workload, failure_of, number_of, place_of


@dataclass(frozen=True)
class Point:
    """A cell that has both numbers."""

    cell: CellRecord
    x: Number
    y: Number
    at: tuple[float, float]
    on_front: bool


@dataclass(frozen=True)
class Picture:
    """What a Pareto picture of a workload shows; ``left_out`` is (method, reason) of the cells that lack a number."""

    title: str
    x: Column
    y: Column
    points: tuple[Point, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def staircase(self) -> tuple[tuple[float, float], ...]:
        """Return the corners of the front: between two of its points lies the one with the worse of both."""
        better_x, better_y = self.x.higher_is_better, self.y.higher_is_better
        ahead = sorted({point.at for point in self.points if point.on_front})
        corners = list(ahead[:1])
        for (x0, y0), (x1, y1) in zip(ahead, ahead[1:]):
            corners += [(min(x0, x1) if better_x else max(x0, x1), min(y0, y1) if better_y else max(y0, y1)), (x1, y1)]
        return tuple(corners)


def front(points: Sequence[tuple[float, float]], higher_x: bool, higher_y: bool) -> tuple[bool, ...]:
    """Return for each point whether no other is at least as good on both axes and better on one; equal points stay."""
    signed = [(x if higher_x else -x, y if higher_y else -y) for x, y in points]
    return tuple(not any(o[0] >= p[0] and o[1] >= p[1] and o != p for o in signed) for p in signed)


def parse_axes(text: str) -> tuple[str, str]:
    """Return the two axes of ``--pareto X,Y``; raise ``BadInput`` naming what is wrong."""
    axes = [part.strip() for part in text.split(",")]
    if len(axes) != 2:
        raise BadInput(f"--pareto takes two axes as X,Y, not {text!r}; axes: {', '.join(AXES)}")
    for axis in axes:
        if axis not in AXES:
            raise BadInput(f"--pareto: unknown axis {axis!r}{nearest(axis, AXES)}")
    if axes[0] == axes[1]:
        raise BadInput(f"--pareto needs two different axes, not {axes[0]!r} twice")
    return axes[0], axes[1]


def picture_of(workload: Workload, axes: tuple[str, str]) -> Picture:
    """Return the picture of a workload on the primary numbers of two axes.

    Raises ``BadInput`` where no cell has a primary number on an axis.
    """
    columns = []
    for axis in axes:
        column = primary_of(workload, axis)
        if column is None:
            raise BadInput(f"{workload.title}: no comparable {axis} number was recorded, so there is nothing to draw")
        columns.append(column)
    x, y = columns
    found: list[tuple[CellRecord, Number, Number, tuple[float, float]]] = []
    left_out: list[tuple[str, str]] = []
    for cell in workload.cells:
        numbers = [number_of(cell, column.name) for column in columns]
        values = [number.value for number in numbers if number is not None and number.value is not None]
        if len(values) == 2 and numbers[0] is not None and numbers[1] is not None:
            found.append((cell, numbers[0], numbers[1], (values[0], values[1])))
        else:
            left_out.append((name_of(workload, cell), _missing(cell, columns, numbers)))
    ahead = front([at for *_, at in found], x.higher_is_better, y.higher_is_better)
    points = tuple(Point(cell, nx, ny, at, first) for (cell, nx, ny, at), first in zip(found, ahead))
    return Picture(workload.title, x, y, points, tuple(left_out))
