"""Noisy curves of an optimisation: their running mean, when it was there for good, and whether they still fall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array

WINDOW = 10
"""Steps whose mean counts; a single step may be low by chance."""
ROUNDING = 1e-9
"""How far above its goal a mean may lie and count as there: the last digits of a sum."""

LAST, BLOCKS = 0.25, 8
"""Part of a curve that counts as its end, and blocks it is cut into: wider than the noise is correlated, else steps that go
on from one another look like a trend."""
USUAL_STEPS, LEAST_STEPS = 40, 16
"""Steps that an end has at least, where the curve is that long, and below which nothing can be said."""


class Fall(NamedTuple):
    """By how much a curve came down over its last part, and what it came down by at least, at the level asked for."""

    value: float
    at_least: float


def running_mean(values: Array, width: int = WINDOW) -> Array:
    """Return the means [T - width + 1] over ``width`` neighbours; of a curve shorter than that, the one mean of all."""
    width = min(width, len(values))
    return np.asarray(np.convolve(values, np.full(width, 1 / width), mode="valid"))


def first_within(seconds: Array, values: Array, goal: float) -> float:
    """Return the time from which on the running mean stays at or below ``goal``; NaN where it never does.

    A curve shorter than the window is one whose last value stands for all (a deterministic solver).
    """
    if np.isnan(goal):
        return float("nan")
    means = running_mean(values)
    above = np.flatnonzero(means > goal + ROUNDING)
    first = int(above[-1]) + 1 if len(above) else 0
    return float(seconds[first + len(values) - len(means)]) if first < len(means) else float("nan")


def last_fall(values: Array, level: float = 0.99) -> Fall | None:
    """Return the fall over the last quarter of a curve [T], negative where it rose; None for fewer than 16 steps.

    A line through the means of 8 blocks, and Student's t of its slope (6 degrees of freedom): means of blocks are nearly
    independent and normal where single steps are neither, since a step starts where the last one ended. Short curves give
    their last 40 steps, or all. Of plateaus, ``at_least`` is above 0 for a share of 1 - ``level``.
    """
    if len(values) < LEAST_STEPS:
        return None
    from scipy.stats import t

    width = max(round(LAST * len(values)), min(len(values), USUAL_STEPS)) // BLOCKS
    means = np.asarray(values[-width * BLOCKS :], np.float64).reshape(BLOCKS, width).mean(1)
    at = np.arange(BLOCKS) - (BLOCKS - 1) / 2
    slope = float(at @ means / (at @ at))
    rest = means - means.mean() - slope * at
    error = float(np.sqrt(rest @ rest / (BLOCKS - 2) / (at @ at)))
    fall = -slope * BLOCKS
    return Fall(fall, fall - float(t.ppf(level, BLOCKS - 2)) * error * BLOCKS)
