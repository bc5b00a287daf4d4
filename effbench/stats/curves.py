"""Noisy curves of an optimisation: their running mean, and when it was there for good."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
WINDOW = 10
"""Steps whose mean counts; a single step may be low by chance."""
ROUNDING = 1e-9
"""How far above its goal a mean may lie and count as there: the last digits of a sum."""


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
