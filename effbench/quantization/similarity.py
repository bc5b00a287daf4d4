"""How near a changed output is to the one in float: structural similarity of pictures, signal over noise of a network."""

from __future__ import annotations

import math

import numpy as np

from effbench.arrays import Array

CEILING_DB = 200.0
"""SQNR of equal outputs, which has no finite value: beyond the 140 dB that float32 resolves."""
K1, K2 = 0.01, 0.03
"""The constants of SSIM (Wang et al. 2004) that keep its two ratios finite, in shares of the range of values."""


def sqnr_db(signal: Array, changed: Array) -> float:
    """Return 10 log10(sum y^2 / sum (y - y')^2) in dB, at most ``CEILING_DB``; NaN where an output is not finite."""
    return sqnr_of(*energies(signal, changed))


def energies(signal: Array, changed: Array) -> tuple[float, float]:
    """Return the energies of a signal and of its change, which add up over outputs."""
    signal = np.asarray(signal, np.float64)
    return float(np.square(signal).sum()), float(np.square(signal - np.asarray(changed, np.float64)).sum())


def sqnr_of(signal: float, noise: float) -> float:
    """Return the SQNR in dB of two energies."""
    if math.isnan(signal) or math.isnan(noise) or math.isinf(noise):
        return math.nan
    if noise == 0.0:
        return CEILING_DB
    return min(10 * math.log10(signal / noise), CEILING_DB) if signal > 0 else -CEILING_DB


def global_ssim(ours: Array, theirs: Array) -> float:
    """Return SSIM with one window over the whole picture, in float64: pictures [..., C, H, W] in [0, 1], the mean over C.

    MixDQ's code asks for a window of 511 on pictures of 512 pixels, which is this. Sample variances, as there.
    """
    x, y = (np.asarray(given, np.float64).reshape(-1, given.shape[-2] * given.shape[-1]) for given in (ours, theirs))
    mean_x, mean_y = x.mean(1), y.mean(1)
    count = x.shape[1] - 1
    dx, dy = x - mean_x[:, None], y - mean_y[:, None]
    var_x, var_y, covariance = (np.sum(a * b, 1) / count for a, b in ((dx, dx), (dy, dy), (dx, dy)))
    c1, c2 = K1**2, K2**2
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return float(np.mean(top / bottom))


def local_ssim(ours: Array, theirs: Array) -> float:
    """Return SSIM with a Gaussian window of 11 pixels (Wang et al. 2004), in float64: the mean over pictures [..., C, H, W].

    Pictures of fewer than 11 pixels a side have no such window; ``ValueError`` says so.
    """
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    if min(ours.shape[-2:]) < 11:
        raise ValueError(
            f"a window of 11 pixels needs pictures of at least 11x11, got {ours.shape[-2]}x{ours.shape[-1]}"
        )
    x, y = (torch.from_numpy(np.asarray(a, np.float64).reshape(-1, *a.shape[-3:])) for a in (ours, theirs))
    found = structural_similarity_index_measure(x, y, data_range=1.0)
    assert isinstance(found, torch.Tensor)
    return float(found)
