"""Ridge regression and a Gaussian process, with their strengths chosen from the labels themselves; numpy alone.

Both are linear in the labels: a score is a weighted sum, and the artifact is what is needed to make it.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array

STRENGTHS = np.logspace(-3, 4, 15)
"""Of ridge's penalty on standardised features: from none to all."""
LENGTHS, NOISES = np.array([0.25, 0.5, 1.0, 2.0, 4.0]), np.logspace(-4, 0, 9)
"""Of the Gaussian process, by the mean distance of two labelled architectures, and by the signal's variance."""


def ridge(x: Array, y: Array) -> dict[str, Array]:
    """Return ``middle``, ``scale`` and ``slope`` [features] of the strength with the least leave-one-out error.

    ``x`` [n, features], ``y`` [n]. The errors left out are exact (Allen's PRESS): residuals over 1 minus the leverage.
    """
    middle, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    u, s, vt = np.linalg.svd((x - middle) / scale, full_matrices=False)
    target = y - y.mean()
    best, slope = np.inf, np.zeros(x.shape[1])
    for strength in STRENGTHS:
        kept = s**2 / (s**2 + strength)
        leverage = (u**2 * kept).sum(1) + 1.0 / len(y)
        residual = target - u @ (kept * (u.T @ target))
        error = float(((residual / np.maximum(1.0 - leverage, 1e-9)) ** 2).mean())
        if error < best:
            best, slope = error, vt.T @ (s / (s**2 + strength) * (u.T @ target))
    return {"middle": middle, "scale": scale, "slope": slope}


def ridge_scores(x: Array, fitted: dict[str, Array]) -> Array:
    """Return float64 [n]."""
    return np.asarray(((x - fitted["middle"]) / fitted["scale"] * fitted["slope"]).sum(1))


def gaussian_process(x: Array, y: Array) -> dict[str, Array]:
    """Return ``known`` [n, features], ``length`` [1] and ``weights`` [n] of the most likely length and noise.

    Kernel exp(-|a - b|^2 / (2 length^2)); the signal's variance is the most likely one for each length and noise (Rasmussen &
    Williams 2006, section 5.4.1).
    """
    squared = _squared(x, x)
    typical = np.sqrt(squared[np.triu_indices(len(x), 1)].mean()) if len(x) > 1 else 1.0
    target = y - y.mean()
    best = -np.inf
    found = {"known": x, "length": np.array([1.0]), "weights": np.zeros(len(x))}
    for length in LENGTHS * (typical or 1.0):
        kernel = np.exp(-squared / (2 * length**2))
        for noise in NOISES:
            factor = np.linalg.cholesky(kernel + (noise + 1e-10) * np.eye(len(x)))
            weights = np.linalg.solve(factor.T, np.linalg.solve(factor, target))
            variance = max(float(target @ weights) / len(x), 1e-300)
            likelihood = -0.5 * len(x) * np.log(variance) - np.log(np.diag(factor)).sum()
            if likelihood > best:
                best, found = likelihood, {"known": x, "length": np.array([length]), "weights": weights}
    return found


def gaussian_scores(x: Array, fitted: dict[str, Array]) -> Array:
    """Return the posterior mean, up to a constant, float64 [n]."""
    kernel = np.exp(-_squared(x, fitted["known"]) / (2 * fitted["length"][0] ** 2))
    return np.asarray((kernel * fitted["weights"]).sum(1))


def _squared(a: Array, b: Array) -> Array:
    return np.asarray(((a[:, None, :] - b[None, :, :]) ** 2).sum(2))
