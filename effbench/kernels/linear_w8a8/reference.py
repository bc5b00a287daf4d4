"""W8A8 linear layer in plain torch, the specification: exact in its integer part.

With codes q_x, scale s_x and zero point z_x of each row and codes q_w and scale s_w of each output channel::

    y = s_x * s_w * ((q_x - z_x) @ q_w^T) + b

Both scales factor out of the sum: they belong to what the sum does not run over.
"""

from __future__ import annotations

import torch

from effbench.kernels.codes import WEIGHT_LEVELS, QuantizedRows, QuantizedWeight
from effbench.kernels.quantize_rows.reference import LEAST_RANGE


def quantize_weight(weight: torch.Tensor) -> QuantizedWeight:
    """Return the symmetric int8 codes of a weight [O, I], one scale a channel; a zero channel gets scale 1."""
    weight = weight.detach().float()
    absmax = weight.abs().amax(dim=1, keepdim=True)  # [O, 1]
    scale = torch.where(absmax < LEAST_RANGE, torch.ones_like(absmax), absmax / WEIGHT_LEVELS)
    codes = (weight / scale).round().clamp(-WEIGHT_LEVELS, WEIGHT_LEVELS).to(torch.int8)
    return QuantizedWeight(codes, scale, torch.zeros_like(scale, dtype=torch.int8))


def integer_product(rows: QuantizedRows, weight: QuantizedWeight) -> torch.Tensor:
    """Return (q_x - z_x) @ (q_w - z_w)^T [..., O] as int64, for a weight of one scale a channel; exact."""
    centred = rows.codes.long() - rows.zero.long()[..., None]
    return centred @ (weight.codes.long() - weight.zero.long()).T


def linear_w8a8(rows: QuantizedRows, weight: QuantizedWeight, bias: torch.Tensor | None) -> torch.Tensor:
    """Return the product of quantized rows [..., I] with a weight [O, I] of one scale a channel as [..., O] float32."""
    product = integer_product(rows, weight).double()
    y = product * rows.scale.double()[..., None] * weight.scale[:, 0].double()
    return (y if bias is None else y + bias.double()).float()
