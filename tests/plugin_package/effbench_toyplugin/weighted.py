"""Weighted statistics of a set of samples, as ``Task.summarise`` needs them on every bootstrap resample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def weighted_means(scalars: Mapping[str, Array], weights: Array) -> dict[str, float]:
    """Return name -> weighted mean of its values [n].

    Samples of weight 0 do not count. A name with a NaN among the samples that do is left out: a mean over the rest
    would be a mean over another set.
    """
    counted = weights > 0
    means = {name: values[counted] @ weights[counted] for name, values in scalars.items()}
    return {name: float(mean / weights.sum()) for name, mean in means.items() if counted.any() and not np.isnan(mean)}


def weighted_kendall_tau(x: Array, y: Array, weights: Array) -> float:
    """Return Kendall's tau-b of x [n] and y [n] with pair weights w_i w_j, or NaN where x or y has no two values.

    tau = sum_{i<j} w_i w_j sgn(x_i - x_j) sgn(y_i - y_j) / sqrt(X Y), where X is the weight of the pairs not tied in x
    and Y of those not tied in y. Unit weights give ``scipy.stats.kendalltau``. Integer weights give exactly what
    replicating each item w_i times gives: the copies of an item are tied in both x and y, and such a pair enters
    neither the numerator nor X nor Y. A bootstrap by weights is therefore a bootstrap by resampling.
    """
    pairs = np.outer(weights, weights)  # [n, n]; every pair stands in it twice, which the ratio does not see
    order_x = np.sign(x[:, None] - x[None, :])
    order_y = np.sign(y[:, None] - y[None, :])
    untied = np.sum(pairs * order_x**2) * np.sum(pairs * order_y**2)
    return float(np.sum(pairs * order_x * order_y) / math.sqrt(untied)) if untied > 0 else math.nan
