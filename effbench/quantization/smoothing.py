"""Smoothing: channels of activations that are large are made smaller, and the weight that reads them larger.

The product is unchanged, (X m) (W / m)^T = X W^T, and what is hard to quantize moves from activations to weights, of which
a channel's share is known before. Two conventions are in use::

    smoothquant     1 / m = x_max^alpha / w_max^(1 - alpha)      (SmoothQuant, arXiv 2211.10438, equation 4)
    vidit-q         m = w_max^alpha / x_max^(1 - alpha)          (the released code of ViDiT-Q, 2025)

so that ViDiT-Q's released alpha = 0.99 is SmoothQuant's 0.01.
"""

from __future__ import annotations

import torch

from effbench.quantization.recipe import Convention

LEAST, MOST = 1e-4, 1e4
"""Bounds of a multiplier, channel by channel: beyond them a float32 product loses what smoothing should save."""


def smoothing_multiplier(
    x_max: torch.Tensor, w_max: torch.Tensor, alpha: float, convention: Convention = "smoothquant"
) -> torch.Tensor:
    """Return m [I] float32, by which activations are multiplied and the weight's inputs divided.

    ``x_max`` and ``w_max`` [I] are the largest magnitudes of each input channel in calibration rows and in the weight. A
    channel that is zero in either has nothing to balance: it gets 1, and no other channel is touched.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha of smoothing lies in [0, 1]; got {alpha}")
    moved = alpha if convention == "smoothquant" else 1 - alpha
    x, w = x_max.double(), w_max.double()
    known = (x > 0) & (w > 0)
    ones = torch.ones_like(x)
    x, w = torch.where(known, x, ones), torch.where(known, w, ones)
    multiplier = torch.where(known, w ** (1 - moved) / x**moved, ones)
    return multiplier.clamp(LEAST, MOST).float()


def weighted_salience(x_max: torch.Tensor, w_max: torch.Tensor) -> torch.Tensor:
    """Return one salience of each activation channel [I] from its largest magnitudes in R ranges of timesteps [R, I].

    PTQ4DiT (arXiv 2405.16005) weights a timestep by exp(-rho), rho the rank correlation (Spearman) of the channels' saliences
    in activations and in the weight: a timestep counts more where balancing has more to gain. Written from what is generally
    known of the method; the paper's text was not at hand.
    """
    weights = torch.stack([torch.exp(-_rank_correlation(row, w_max)) for row in x_max])
    return (weights[:, None] * x_max.double()).sum(0).div(weights.sum()).float()


def _rank_correlation(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    pair = torch.stack([a, b]).double()
    ranks = pair.argsort(stable=True, dim=1).argsort(stable=True, dim=1).double()
    centred = ranks - ranks.mean(1, keepdim=True)
    spread = centred.norm(dim=1).prod()
    found: torch.Tensor = (centred[0] * centred[1]).sum() / spread if spread > 0 else spread
    return found
