"""The curves of a picture as a table: where each method stood at the end, and when it reached the goal."""

from __future__ import annotations

from typing import NamedTuple

from effbench.report.curves import CurvePicture, MetricCurve
from effbench.report.rounding import rounded

NEVER = "not reached"
"""Stands where a method's running mean was never at the goal for good."""


class CurveRow(NamedTuple):
    """A curve in words: its last running mean, the seconds until then, and those until the goal (``""`` without one)."""

    name: str
    last: str
    seconds: str
    reached: str


def curve_rows(picture: CurvePicture) -> tuple[CurveRow, ...]:
    """Return a row per curve: the first at the goal first, then from the best last value on."""
    sign = -1 if picture.column.higher_is_better else 1

    def place(curve: MetricCurve) -> tuple[float, float]:
        return (float("inf") if curve.reached_s is None else curve.reached_s), sign * float(curve.values[-1])

    return tuple(_row(picture, curve) for curve in sorted(picture.curves, key=place))


def _row(picture: CurvePicture, curve: MetricCurve) -> CurveRow:
    reached = NEVER if curve.reached_s is None else _seconds(curve.reached_s)
    last, _ = rounded(float(curve.values[-1]), None, None)
    return CurveRow(curve.name, last, _seconds(float(curve.seconds[-1])), "" if picture.goal is None else reached)


def _seconds(value: float) -> str:
    """Return a time of one run with three digits: it repeats to no more."""
    return f"{value:.3g} s" if value < 1000 else f"{value:.0f} s"
