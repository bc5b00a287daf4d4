"""W8A8 linear layer in plain torch: the specification of the fast path, exact in its integer part.

Weights are quantised per output channel, symmetric, to [-127, 127]; activations at run time, asymmetric, per tensor or
per row. With s_x, z_x the activation's scale and zero point and s_w [O] the weight scales::

    y = s_x * s_w * ((q_x - z_x) @ q_w^T) + b
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

Granularity = Literal["tensor", "row"]


class QuantisedWeight(NamedTuple):
    """``codes`` [O, I] int8 in [-127, 127], ``scale`` [O] float32."""

    codes: torch.Tensor
    scale: torch.Tensor


def quantise_weight(weight: torch.Tensor) -> QuantisedWeight:
    """Return the codes of a weight [O, I]; a zero channel gets scale 1, touching no other channel."""
    absmax = weight.detach().float().abs().amax(dim=1)  # [O]
    scale = torch.where(absmax > 0, absmax / 127, torch.ones_like(absmax))
    codes = (weight.detach().float() / scale[:, None]).round().clamp(-127, 127).to(torch.int8)
    return QuantisedWeight(codes, scale)


def activation_parameters(x: torch.Tensor, bits: int, granularity: Granularity) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (scale, zero point) of x [..., I], each [..., 1] per row or [1] per tensor; the range always includes 0."""
    dims = (-1,) if granularity == "row" else tuple(range(x.dim()))
    low, high = x.amin(dims, keepdim=True).clamp(max=0), x.amax(dims, keepdim=True).clamp(min=0)
    levels = 2**bits - 1
    scale = ((high - low) / levels).clamp(min=torch.finfo(torch.float32).tiny)
    return scale, (-low / scale).round().clamp(0, levels)


def int8_linear_reference(
    x: torch.Tensor,
    weight: QuantisedWeight,
    bias: torch.Tensor | None,
    bits: int = 7,
    granularity: Granularity = "tensor",
) -> torch.Tensor:
    """Return the W8A8 product of x [..., I] float32 as [..., O] float32; ``bits`` is the activation's code width.

    The integer product is formed in float64, which holds it exactly: |sum| <= I * 127 * 255 < 2^53.
    """
    scale, zero = activation_parameters(x, bits, granularity)
    codes = ((x / scale).round() + zero).clamp(0, 2**bits - 1)  # [..., I]
    product = (codes - zero).double() @ weight.codes.double().T  # [..., O], exact
    y = (product * scale.double() * weight.scale.double()).float()
    return y if bias is None else y + bias
