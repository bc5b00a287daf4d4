"""Which methods no other method beats on two axes at once, and where each stands, for any picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from effbench.counted import counted
from effbench.errors import BadInput, nearest
from effbench.record import CellRecord, Number
from effbench.report.caption import level_text
from effbench.report.columns import AXES, Column, primary_of, recorded
from effbench.report.joint import probabilities_on_front
from effbench.report.scales import AxisScale, scale_of, spans_a_decade
from effbench.report.summarise import Summary, WorkloadCells, failure_of, names_of, number_of
from effbench.stats.pareto import is_non_dominated

MOST_BARS = 200
"""Points that all have their error bars; of more only the reference's and the front's, or all would be a haze."""

MOST_LISTED = 12
"""Methods that are named one by one for each reason why they are not drawn: three lines of text."""

PROBABILITY_TEXT = (
    "Behind a name: the probability that no other method is at least as good on both axes and better on one, "
    "over resampled samples and rounds."
)
"""What the numbers behind names are (``stats.pareto.probability_non_dominated``)."""


@dataclass(frozen=True)
class ParetoPoint:
    """A cell that has both numbers, under the name that tells it from the others.

    ``probability`` is the probability that no other point beats it on both axes; None where that cannot be told.
    """

    name: str
    cell: CellRecord
    x: Number
    y: Number
    at: tuple[float, float]
    on_front: bool
    probability: float | None = None

    @property
    def label(self) -> str:
        """Return the name with the probability behind it, where there is one."""
        return self.named(self.name)

    def named(self, name: str) -> str:
        """Return a form of the name with the probability behind it, where there is one."""
        return name if self.probability is None else f"{name} · {probability_text(self.probability)}"

    @property
    def is_reference(self) -> bool:
        """Return whether the others are compared with this one."""
        return self.cell.role == "reference"

    @property
    def is_simulated(self) -> bool:
        """Return whether its quality was computed by a simulation of the method."""
        return self.cell.execution == "simulated"

    @property
    def across(self) -> tuple[float, float]:
        """Return the interval on x; a bound that is not known is the value itself."""
        return _bounds(self.x, self.at[0])

    @property
    def upright(self) -> tuple[float, float]:
        """Return the interval on y; a bound that is not known is the value itself."""
        return _bounds(self.y, self.at[1])


@dataclass(frozen=True)
class ParetoPicture:
    """What a Pareto picture of a workload shows; ``left_out`` is (method, reason) of the cells that lack a number.

    ``probabilities_missing`` says why the points carry no probability, where they do not; ``nearest`` is the number of points
    among which probabilities were computed where that is not all of them. ``logarithmic`` are the axes that are asked to be
    so; one that holds a value not above 0 stays linear.
    """

    title: str
    x: Column
    y: Column
    points: tuple[ParetoPoint, ...]
    left_out: tuple[tuple[str, str], ...]
    levels: tuple[float, ...]
    probabilities_missing: str = ""
    nearest: int = 0
    logarithmic: tuple[bool, bool] = (False, False)

    @cached_property
    def scales(self) -> tuple[AxisScale, AxisScale]:
        """Return what both axes show, of a picture that has points."""
        across = scale_of([p.at[0] for p in self.points], [p.across for p in self.points], self.logarithmic[0])
        upright = scale_of([p.at[1] for p in self.points], [p.upright for p in self.points], self.logarithmic[1])
        return across, upright

    @cached_property
    def shares(self) -> tuple[tuple[float, float], ...]:
        """Return how far along both axes each point stands, from 0 to 1."""
        across, upright = self.scales
        return tuple((across.share(x), upright.share(y)) for x, y in (point.at for point in self.points))

    @property
    def spans_decades(self) -> tuple[bool, bool]:
        """Return of which axes a logarithm would show more: their numbers span over a decade."""
        return spans_a_decade([p.at[0] for p in self.points]), spans_a_decade([p.at[1] for p in self.points])

    @cached_property
    def barred(self) -> tuple[ParetoPoint, ...]:
        """Return the points whose error bars are drawn."""
        if len(self.points) <= MOST_BARS:
            return self.points
        return tuple(point for point in self.points if point.on_front or point.is_reference)

    def drawn(self, logarithmic: tuple[bool, bool]) -> ParetoPicture:
        """Return the same picture with some axes logarithmic."""
        return replace(self, logarithmic=logarithmic)

    @property
    def bars_text(self) -> str:
        """Return what the error bars are, and of which points they are where not of all."""
        whose = "" if len(self.barred) == len(self.points) else " of the reference and the front"
        return f"Error bars: {level_text(self.levels)} intervals{whose}."

    @property
    def not_drawn(self) -> tuple[str, ...]:
        """Return a sentence for each reason why methods are missing, with their names: of many of one reason the first."""
        return not_drawn_lines(self.left_out)

    @property
    def note(self) -> str:
        """Return what the numbers behind the names are, or why there are none; ``""`` for fewer than two points."""
        if any(point.probability is not None for point in self.points):
            return PROBABILITY_TEXT + (
                f" Computed among the {self.nearest} methods nearest to the front, layer by layer; the others have none."
                if self.nearest
                else ""
            )
        return (
            f"No probabilities of being on the front: {self.probabilities_missing}."
            if self.probabilities_missing
            else ""
        )

    @property
    def staircase(self) -> tuple[tuple[float, float], ...]:
        """Return the corners of the front: between two of its points lies the one with the worse of both."""
        better_x, better_y = self.x.higher_is_better, self.y.higher_is_better
        ahead = sorted({point.at for point in self.points if point.on_front})
        corners = list(ahead[:1])
        for (x0, y0), (x1, y1) in pairwise(ahead):
            corners += [(min(x0, x1) if better_x else max(x0, x1), min(y0, y1) if better_y else max(y0, y1)), (x1, y1)]
        return tuple(corners)


def front(points: Sequence[tuple[float, float]], higher_x: bool, higher_y: bool) -> tuple[bool, ...]:
    """Return for each point whether no other is at least as good on both axes and better on one; equal points stay."""
    table = np.array(points, np.float64).reshape(-1, 2)
    return tuple(is_non_dominated(table[:, :1], table[:, 1:], higher_x, higher_y)[:, 0].tolist())


def parse_axes(text: str) -> tuple[str, str]:
    """Return the two axes, or names of numbers, of ``--pareto X,Y``; raise ``BadInput`` naming what is wrong."""
    axes = [part.strip() for part in text.split(",")]
    if len(axes) != 2:
        raise BadInput(
            f"--pareto takes two axes as X,Y, not {text!r}; axes: {', '.join(AXES)}, or a number by its name"
        )
    if axes[0] == axes[1]:
        raise BadInput(f"--pareto needs two different axes, not {axes[0]!r} twice")
    return axes[0], axes[1]


def pictures_of(summary: Summary, axes: tuple[str, str]) -> tuple[ParetoPicture, ...]:
    """Return a picture per workload on two numbers: each by its name, or the primary one of an axis.

    Raises ``BadInput`` where an axis has no comparable number in any workload, or nobody recorded one of that name.
    """
    names = [column.name for workload in summary.workloads for column in recorded(workload)]
    for axis in axes:
        if axis not in (*AXES, *names):
            raise BadInput(f"--pareto: unknown axis or number {axis!r}{nearest(axis, (*AXES, *names))}")
        if all(_on(workload, axis) is None for workload in summary.workloads):
            raise BadInput(f"--pareto: no comparable {axis} number was recorded in this store")
    return tuple(picture_of(workload, axes) for workload in summary.workloads)


def picture_of(workload: WorkloadCells, axes: tuple[str, str]) -> ParetoPicture:
    """Return the picture of a workload; it has no points where an axis was not recorded."""
    x, y = (_on(workload, axis) or Column(axis, axis, "", False, True) for axis in axes)
    found: list[tuple[CellRecord, Number, Number, tuple[float, float]]] = []
    left_out: list[tuple[str, str]] = []
    names = dict(zip(map(id, workload.cells), names_of(workload)))
    for cell in workload.cells:
        on_x, on_y = number_of(cell, x.name), number_of(cell, y.name)
        if on_x is None or on_y is None or on_x.value is None or on_y.value is None:
            left_out.append((names[id(cell)], _missing(cell, ((x, on_x), (y, on_y)))))
        else:
            found.append((cell, on_x, on_y, (on_x.value, on_y.value)))
    ahead = front([at for *_, at in found], x.higher_is_better, y.higher_is_better)
    kept = {id(cell) for cell, *_ in found}
    likely = probabilities_on_front([raw for raw in workload.raw if id(raw.record) in kept], x, y)
    points = tuple(
        ParetoPoint(names[id(cell)], cell, on_x, on_y, at, first, probability)
        for (cell, on_x, on_y, at), first, probability in zip(found, ahead, likely.values)
    )
    return ParetoPicture(
        workload.title, x, y, points, tuple(left_out), workload.levels, likely.missing, nearest=likely.among
    )


def not_drawn_lines(left_out: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Return a sentence for each reason why methods are missing from a picture: ``a, b (latency simulated)``."""
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out:
        reasons.setdefault(reason.replace("_", " "), []).append(name)
    lines = []
    for reason, names in reasons.items():
        more = f" and {counted(len(names) - MOST_LISTED, 'other')}" if len(names) > MOST_LISTED else ""
        lines.append(f"Not drawn: {', '.join(names[:MOST_LISTED])}{more} ({reason}).")
    return tuple(lines)


def _on(workload: WorkloadCells, axis: str) -> Column | None:
    """Return the number that is meant by an axis or by its own name, or None where the workload lacks it."""
    if axis in AXES:
        return primary_of(workload, axis)
    return next((column for column in recorded(workload) if column.name == axis), None)


def probability_text(probability: float) -> str:
    """Return a probability with two decimals, which a resampled 0 or 1 does not have."""
    if probability < 0.005:
        return "<0.01"
    return ">0.99" if probability > 0.995 else f"{probability:.2f}"


def _bounds(number: Number, value: float) -> tuple[float, float]:
    low = value if number.ci_low is None else min(value, number.ci_low)
    return low, value if number.ci_high is None else max(value, number.ci_high)


def _missing(cell: CellRecord, numbers: Sequence[tuple[Column, Number | None]]) -> str:
    """Return why a cell cannot be drawn, shortest form that says it."""
    if cell.status == "failed":
        return f"failed: {failure_of(cell).reason}"
    is_one_axis = len({column.axis for column, _ in numbers}) == 1
    reasons: dict[str, list[str]] = {}
    for column, number in numbers:
        if number is None or number.value is None:
            reason = "not recorded" if number is None else number.reason or "error"
            reasons.setdefault(reason, []).append(column.label if is_one_axis else column.axis)
    return "; ".join(f"{' and '.join(axes)} {reason}" for reason, axes in reasons.items())
