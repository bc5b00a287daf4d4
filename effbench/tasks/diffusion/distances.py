"""Distances between two sets of features, with sample weights; numpy only.

Each function does once what no weight changes and returns what gives the distance for weights [N]: a bootstrap calls that
thousands of times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from effbench.arrays import Array

WeightedDistance = Callable[[Array], float]
"""Weights [N], not normalised -> the distance."""


class RealSet:
    """The features [M, D] of real images, with everything about them that does not change from call to call.

    ``scale`` divides every feature that is compared; the root mean square of the real ones makes distances of order 1.
    """

    def __init__(self, features: Array, scale: float = 1.0) -> None:
        self.scale = scale
        self.features = np.asarray(features, np.float64) / scale
        self.mean = self.features.mean(axis=0)
        covariance = np.cov(self.features, rowvar=False)
        values, vectors = np.linalg.eigh(covariance)
        self.trace = float(values.sum())
        self.root = (vectors * np.sqrt(values.clip(0))) @ vectors.T  # [D, D], symmetric square root

    @cached_property
    def self_similarity(self) -> float:
        """Return the mean kernel value of two different real images."""
        kernel = polynomial_kernel(self.features, self.features)
        count = len(self.features)
        return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def frechet_distance(features: Array, real: RealSet) -> WeightedDistance:
    """Return the Fréchet distance between Gaussians fitted to weighted features [N, D] and to the real set.

    |m - m_r|^2 + Tr(C + C_r - 2 (C_r^1/2 C C_r^1/2)^1/2) (Dowson and Landau 1982). It is biased upwards for small N,
    alike for every method; NaN where fewer than two samples have weight.
    """
    features = features / real.scale

    def distance(weights: Array) -> float:
        if np.count_nonzero(weights) < 2:
            return float("nan")
        share = weights / weights.sum()
        mean = share @ features
        centred = features - mean
        # Unbiased for weights that say how reliable a sample is; samples of weight 0 and the scale do not count.
        covariance = (centred * share[:, None]).T @ centred / (1 - share @ share)
        values = np.linalg.eigvalsh(real.root @ covariance @ real.root)
        overlap = np.sqrt(values.clip(0)).sum()
        found = ((mean - real.mean) ** 2).sum() + np.trace(covariance) + real.trace - 2 * overlap
        return float(np.maximum(found, 0.0))  # below zero by rounding only; NaN stays NaN

    return distance


def frechet_distance_by_products(features: Array, mean: Array, covariance: Array) -> WeightedDistance:
    """Return the Fréchet distance of few features [N, D] to a real mean [D] and covariance [D, D], for N well below D.

    The eigenvalues of C_r^1/2 C C_r^1/2 that are not zero are those of the N x N matrix of products (f_i - m) C_r (f_j - m):
    with that made once, a bootstrap resample costs N^3 instead of D^3. NaN where fewer than two samples have weight.
    """
    features = np.asarray(features, np.float64)
    trace = float(np.trace(covariance))
    products = features @ covariance @ features.T
    squares = np.square(features).sum(axis=1)

    def distance(weights: Array) -> float:
        if np.count_nonzero(weights) < 2:
            return float("nan")
        share = weights / weights.sum()
        centre = share @ features
        scale = 1 - share @ share
        across = products @ share
        centred = products - across[:, None] - across[None] + share @ across
        root = np.sqrt(share)
        values = np.linalg.eigvalsh(centred * np.outer(root, root) / scale)
        spread = (share @ squares - centre @ centre) / scale
        overlap = np.sqrt(values.clip(0)).sum()
        found = ((centre - mean) ** 2).sum() + spread + trace - 2 * overlap
        return float(np.maximum(found, 0.0))  # below zero by rounding only; NaN stays NaN

    return distance


def kernel_distance(features: Array, real: RealSet) -> WeightedDistance:
    """Return the unbiased squared MMD with the cubic kernel (Binkowski et al. 2018, eq. 4) of weighted features [N, D].

    Pairs of a sample with itself are left out even where it carries weight above one, so that a bootstrap resample is
    not biased by its repeats. Without bias the estimate of a small distance must be able to fall below zero, and so may its
    interval. NaN where fewer than two samples have weight.
    """
    features = features / real.scale
    kernel = polynomial_kernel(features, features)
    np.fill_diagonal(kernel, 0.0)
    to_real = polynomial_kernel(features, real.features).mean(axis=1)

    def distance(weights: Array) -> float:
        total = weights.sum()
        if np.count_nonzero(weights) < 2 or total <= 0:
            return float("nan")
        within = float(weights @ (kernel @ weights) / (total * total - weights @ weights))
        return within + real.self_similarity - 2 * float(weights @ to_real / total)

    return distance


def polynomial_kernel(x: Array, y: Array) -> Array:
    """Return (x . y / D + 1)^3 for x [N, D] and y [M, D] as [N, M]."""
    base: Array = x @ y.T / x.shape[1] + 1.0
    return base * base * base
