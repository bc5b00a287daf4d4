"""What the statistics accept: finite numbers, positive times, levels between 0 and 1; anything else is a clear error.

A NaN that slips into a mean gives a NaN, into a rank or a count of order statistics a plausible wrong number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from effbench.arrays import Array


def finite(values: Sequence[float] | Array, what: str, dimensions: int = 1) -> Array:
    """Return the values as float64; raise ``ValueError`` where the shape is another or a value is not finite."""
    array = np.asarray(values, np.float64)
    if array.ndim != dimensions:
        raise ValueError(f"{what} must have {dimensions} dimension(s), got shape {array.shape}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        where = ", ".join(map(str, bad[0]))
        raise ValueError(f"{what} must be finite, got {array[tuple(bad[0])]} at position {where}")
    return array


def positive_rounds(rounds: Sequence[Sequence[float] | Array], what: str) -> list[Array]:
    """Return the times of each round as float64; raise ``ValueError`` where a round is empty or a time is not positive."""
    arrays = [finite(times, f"{what}, round {i},") for i, times in enumerate(rounds)]
    for i, times in enumerate(arrays):
        if len(times) == 0:
            raise ValueError(f"{what}, round {i}, is empty; leave the round out")
        if times.min() <= 0:
            raise ValueError(f"{what}, round {i}, must be positive times, got {times.min():g}")
    return arrays


def check_level(level: float) -> None:
    """Raise ``ValueError`` where the confidence level is not between 0 and 1."""
    if not 0 < level < 1:
        raise ValueError(f"the confidence level must lie between 0 and 1, got {level}")


def check_resamples(resamples: int) -> None:
    """Raise ``ValueError`` where there is no resample to draw."""
    if resamples < 1:
        raise ValueError(f"need at least one resample, got {resamples}")
