"""SP-BN over rows [N, C] in two passes each way, with ReLU in the same ones: half of a training step would be memory traffic.

``spbn.py`` says what is computed; a test compares this with autograd's own words.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit


@njit(cache=True)
def forward(rows: Array, weight: Array, eps: float, relu: bool) -> tuple[Array, Array, Array, Array, int]:
    """Return (y [N, C], active bool [N], mean [C], variance [C] float64, number of active rows); NaN where none is active."""
    n, channels = rows.shape
    active = np.zeros(n, np.bool_)
    mean, variance, count = np.zeros(channels), np.zeros(channels), 0
    for i in range(n):
        for c in range(channels):
            if rows[i, c] != 0:
                active[i] = True
                break
        if active[i]:
            count += 1
            for c in range(channels):
                mean[c] += rows[i, c]
    mean /= count if count else np.nan
    for i in range(n):
        if active[i]:
            for c in range(channels):
                away = rows[i, c] - mean[c]
                variance[c] += away * away
    variance /= count if count else np.nan
    y = np.zeros_like(rows)
    scale = (weight / np.sqrt(variance + eps)).astype(rows.dtype)
    for i in range(n):
        if active[i]:
            for c in range(channels):
                value = rows[i, c] * scale[c]
                y[i, c] = value if value > 0 or not relu else 0
    return y, active, mean, variance, count


@njit(cache=True)
def backward(
    grad: Array,
    rows: Array,
    active: Array,
    mean: Array,
    variance: Array,
    weight: Array,
    eps: float,
    relu: bool,
    count: int,
) -> tuple[Array, Array]:
    """Return the gradients of rows [N, C] and weight [C].

    d var / d x = 2 (x - mean) / count on active rows: the mean's own share sums to zero.
    """
    n, channels = rows.shape
    rstd = 1 / np.sqrt(variance + eps)
    scale = (weight * rstd).astype(rows.dtype)
    by_scale = np.zeros(channels)
    for i in range(n):
        if active[i]:
            for c in range(channels):
                passed = grad[i, c] if rows[i, c] * scale[c] > 0 or not relu else 0
                by_scale[c] += passed * rows[i, c]
    slope = (-by_scale * weight * rstd**3 / max(count, 1)).astype(rows.dtype)
    centre = mean.astype(rows.dtype)
    dx = np.empty_like(rows)
    for i in range(n):
        if active[i]:
            for c in range(channels):
                passed = grad[i, c] if rows[i, c] * scale[c] > 0 or not relu else 0
                dx[i, c] = passed * scale[c] + (rows[i, c] - centre[c]) * slope[c]
        else:  # zero, and stays so; what moves it makes it active
            for c in range(channels):
                dx[i, c] = grad[i, c] * scale[c] if not relu else 0
    return dx, by_scale * rstd
