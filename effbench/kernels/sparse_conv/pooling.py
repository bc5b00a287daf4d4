"""Compiled maximum over the occupied cells of a window, and where it stood."""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit


@njit(cache=True)
def largest(features: Array, source: Array) -> tuple[Array, Array]:  # pragma: no cover - compiled
    """Return (maximum, input row of it int32), [M, C] each, of features [N, C] over ``source`` [taps, M].

    Of equal ones, the first tap's; NaN is larger than any number, as in torch. Every output has an input.
    """
    taps, outputs = source.shape
    y = np.empty((outputs, features.shape[1]), features.dtype)
    at = np.empty(y.shape, np.int32)
    for o in range(outputs):
        first = True
        for tap in range(taps):
            i = source[tap, o]
            if i < 0:
                continue
            for c in range(features.shape[1]):
                value = features[i, c]
                if first or value > y[o, c] or (value != value and y[o, c] == y[o, c]):
                    y[o, c] = value
                    at[o, c] = i
            first = False
    return y, at


@njit(cache=True)
def scattered(gradient: Array, at: Array, inputs: int) -> Array:  # pragma: no cover - compiled
    """Return the gradient [N, C] of the features: each output's goes to the row that was its maximum."""
    result = np.zeros((inputs, gradient.shape[1]), gradient.dtype)
    for o in range(len(gradient)):
        for c in range(gradient.shape[1]):
            result[at[o, c], c] += gradient[o, c]
    return result
