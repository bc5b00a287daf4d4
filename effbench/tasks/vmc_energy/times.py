"""When a training was there: from noisy energies of its steps."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
WINDOW = 10
"""Steps whose mean counts; a single step's energy may be low by chance."""
ROUNDING_HA = 1e-9


def first_within(seconds: Array, energies: Array, goal: float) -> float:
    """Return the time from which on the mean over ``WINDOW`` steps stays at or below ``goal``; NaN where it never does.

    A curve shorter than the window is one whose last energy stands for all (a deterministic solver).
    """
    if np.isnan(goal):
        return float("nan")
    width = min(WINDOW, len(energies))
    means = np.convolve(energies, np.full(width, 1 / width), mode="valid")
    above = np.flatnonzero(means > goal + ROUNDING_HA)
    first = int(above[-1]) + 1 if len(above) else 0
    return float(seconds[first + width - 1]) if first < len(means) else float("nan")
