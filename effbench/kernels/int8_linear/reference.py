"""W8A8 linear layer in plain torch: the specification of the fast path, exact in its integer part.

Weights are quantised per output channel, symmetric, to [-127, 127]. Activations are quantised at run time per row, so that
nothing depends on which rows stand beside it: symmetric to [-63, 63], for reasons given in ``cpu.py``. With s_x the scale
of a row and s_w [O] those of the weight::

    y = s_x * s_w * (q_x @ q_w^T) + b
"""

from __future__ import annotations

from typing import NamedTuple

import torch

ACTIVATION_LEVELS = 63
"""Positive codes of an activation: seven bits, with which two products never saturate AVX2's sums (``cpu.py``)."""
WEIGHT_LEVELS = 127
"""Positive codes of a weight: all of int8 that is symmetric."""


class QuantisedWeight(NamedTuple):
    """``codes`` [O, I] int8 in [-127, 127], ``scale`` [O] float32."""

    codes: torch.Tensor
    scale: torch.Tensor


def quantise_weight(weight: torch.Tensor) -> QuantisedWeight:
    """Return the codes of a weight [O, I]; a zero channel gets scale 1, touching no other channel."""
    absmax = weight.detach().float().abs().amax(dim=1)  # [O]
    scale = torch.where(absmax > 0, absmax / WEIGHT_LEVELS, torch.ones_like(absmax))
    codes = (weight.detach().float() / scale[:, None]).round().clamp(-WEIGHT_LEVELS, WEIGHT_LEVELS).to(torch.int8)
    return QuantisedWeight(codes, scale)


def row_absmax(x: torch.Tensor) -> torch.Tensor:
    """Return the largest magnitude of each row of x [..., I] as [..., 1], never quite 0 so that a row of zeros stays one."""
    return x.abs().amax(dim=-1, keepdim=True).clamp_min_(torch.finfo(torch.float32).tiny)


def int8_linear_reference(x: torch.Tensor, weight: QuantisedWeight, bias: torch.Tensor | None) -> torch.Tensor:
    """Return the W8A8 product of x [..., I] float32 as [..., O] float32.

    The integer product is formed in float64, which holds it exactly: |sum| <= I * 63 * 127 < 2^53.
    """
    absmax = row_absmax(x)
    codes = (x / absmax * ACTIVATION_LEVELS).round()  # [..., I] in [-63, 63]
    product = codes.double() @ weight.codes.double().T  # [..., O], exact
    y = (product * (absmax.double() / ACTIVATION_LEVELS) * weight.scale.double()).float()
    return y if bias is None else y + bias


def fake_quantise_rows(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Return x [..., I] rounded to 2^bits levels per row, asymmetric, in a range that always includes 0."""
    low, high = x.amin(-1, keepdim=True).clamp(max=0), x.amax(-1, keepdim=True).clamp(min=0)
    levels = 2**bits - 1
    scale = ((high - low) / levels).clamp(min=torch.finfo(torch.float32).tiny)
    zero = (-low / scale).round().clamp(0, levels)
    codes = ((x / scale).round() + zero).clamp(0, levels)
    rounded: torch.Tensor = (codes - zero) * scale
    return rounded
