"""Weights of frames, of which only the relation counts, as numbers of copies: metrics that count truths need whole frames."""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array

ROUNDING = 1e-9
"""By how much a quotient of two weights may miss the whole number that it stands for."""


def copies(weights: Array) -> Array:
    """Return weights [F] in units of the least positive one: how many frames each stands for."""
    weights = np.asarray(weights, np.float64)
    positive = weights[weights > 0]
    if not len(positive):
        return np.zeros_like(weights)
    counted = weights / positive.min()
    whole = np.rint(counted)
    return np.where(np.abs(counted - whole) <= ROUNDING * whole, whole, counted)
