"""Distances between two sets of features, with sample weights; numpy only, as bootstrap resamples call them often."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


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


def frechet_distance(features: Array, weights: Array, real: RealSet) -> float:
    """Return the Fréchet distance between Gaussians fitted to weighted features [N, D] and to the real set.

    |m - m_r|^2 + Tr(C + C_r - 2 (C_r^1/2 C C_r^1/2)^1/2) (Dowson and Landau 1982). It is biased upwards for small N,
    alike for every method; NaN where fewer than two samples have weight.
    """
    features = features / real.scale
    if np.count_nonzero(weights) < 2:
        return float("nan")
    share = weights / weights.sum()
    mean = share @ features
    centred = features - mean
    # Unbiased for weights that say how reliable a sample is; samples of weight 0 and the scale do not count.
    covariance = (centred * share[:, None]).T @ centred / (1 - share @ share)
    values = np.linalg.eigvalsh(real.root @ covariance @ real.root)
    overlap = np.sqrt(values.clip(0)).sum()
    distance = ((mean - real.mean) ** 2).sum() + np.trace(covariance) + real.trace - 2 * overlap
    return float(np.maximum(distance, 0.0))  # below zero by rounding only; NaN stays NaN


class FewFrechet:
    """The Fréchet distance of few features [N, D] to a real mean [D] and covariance [D, D], for N well below D.

    The eigenvalues of C_r^1/2 C C_r^1/2 that are not zero are those of the N x N matrix of products (f_i - m) C_r (f_j - m):
    with that made once, a bootstrap resample costs N^3 instead of D^3.
    """

    def __init__(self, features: Array, mean: Array, covariance: Array) -> None:
        self.features, self.mean = np.asarray(features, np.float64), mean
        self.trace = float(np.trace(covariance))
        self.products = self.features @ covariance @ self.features.T
        self.squares = np.square(self.features).sum(axis=1)

    def distance(self, weights: Array) -> float:
        """Return the distance for weights [N]; NaN where fewer than two samples have weight."""
        if np.count_nonzero(weights) < 2:
            return float("nan")
        share = weights / weights.sum()
        own = share @ self.features
        scale = 1 - share @ share
        across = self.products @ share
        centred = self.products - across[:, None] - across[None] + share @ across
        root = np.sqrt(share)
        values = np.linalg.eigvalsh(centred * np.outer(root, root) / scale)
        own_trace = (share @ self.squares - own @ own) / scale
        overlap = np.sqrt(values.clip(0)).sum()
        distance = ((own - self.mean) ** 2).sum() + own_trace + self.trace - 2 * overlap
        return float(np.maximum(distance, 0.0))  # below zero by rounding only; NaN stays NaN


def kernel_distance(features: Array, weights: Array, real: RealSet) -> float:
    """Return the unbiased squared MMD with the cubic kernel (Binkowski et al. 2018, eq. 4) of weighted features [N, D].

    Pairs of a sample with itself are left out even where it carries weight above one, so that a bootstrap resample is
    not biased by its repeats. Without bias the estimate of a small distance must be able to fall below zero, and so may its
    interval. NaN where fewer than two samples have weight.
    """
    features, pairs = features / real.scale, np.outer(weights, weights)
    np.fill_diagonal(pairs, 0.0)
    if pairs.sum() <= 0:
        return float("nan")
    within = float((pairs * polynomial_kernel(features, features)).sum() / pairs.sum())
    across = float(weights @ polynomial_kernel(features, real.features).mean(axis=1) / weights.sum())
    return within + real.self_similarity - 2 * across


def polynomial_kernel(x: Array, y: Array) -> Array:
    """Return (x . y / D + 1)^3 for x [N, D] and y [M, D] as [N, M]."""
    base: Array = x @ y.T / x.shape[1] + 1.0
    return base * base * base
