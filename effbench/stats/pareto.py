"""The Pareto front under uncertainty: not a line, but each method's probability of being on it."""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.stats.inputs import finite


def probability_non_dominated(x: Array, y: Array, higher_x: bool, higher_y: bool) -> Array:
    """Return the share of joint replicates in which no other method dominates [methods], from x and y [methods, resamples].

    A method dominates another where it is at least as good on both axes and better on one; equal methods do not
    dominate each other. Column b of all methods must be one resample. Raises ``ValueError`` where the shapes differ,
    there is no replicate, or one is not finite: leave a method without a value on an axis out.
    """
    ours, theirs = finite(x, "the replicates of x", dimensions=2), finite(y, "the replicates of y", dimensions=2)
    if ours.shape != theirs.shape or ours.size == 0:
        raise ValueError(
            f"need the same methods and resamples on both axes, got shapes {ours.shape} and {theirs.shape}"
        )
    a, b = ours if higher_x else -ours, theirs if higher_y else -theirs
    probability = [
        1
        - ((a >= a[i]) & (b >= b[i]) & ((a > a[i]) | (b > b[i]))).any(0).mean()  # over the methods, then the replicates
        for i in range(len(a))
    ]
    return np.array(probability)
