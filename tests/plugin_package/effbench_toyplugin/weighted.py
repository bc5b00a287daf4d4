"""Weighted statistics of a set of samples, as ``Task.summariser`` needs them on every bootstrap resample."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def weighted_kendall_tau(x: Array, y: Array) -> Callable[[Array], float]:
    """Return what gives Kendall's tau-b of x [n] and y [n] with pair weights w_i w_j, NaN where x or y has no two values.

    tau = sum_{i<j} w_i w_j sgn(x_i - x_j) sgn(y_i - y_j) / sqrt(X Y), where X is the weight of the pairs not tied in x
    and Y of those not tied in y. Unit weights give ``scipy.stats.kendalltau``. Integer weights give exactly what
    replicating each item w_i times gives: the copies of an item are tied in both x and y, and such a pair enters
    neither the numerator nor X nor Y. A bootstrap by weights is therefore a bootstrap by resampling.
    """
    order_x = np.sign(x[:, None] - x[None, :])
    order_y = np.sign(y[:, None] - y[None, :])
    both, in_x, in_y = order_x * order_y, order_x**2, order_y**2  # [n, n]; a pair stands twice, which no ratio sees

    def tau(weights: Array) -> float:
        untied = (weights @ in_x @ weights) * (weights @ in_y @ weights)
        return float(weights @ both @ weights / math.sqrt(untied)) if untied > 0 else math.nan

    return tau
