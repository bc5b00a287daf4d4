"""Linear layer with packed 4-bit weights and 8-bit activations, the specification.

A scale belongs to a channel, or to a group of inputs of one::

    y = s_x * sum over groups g of s_w[g] * sum over k in g of (q_x[k] - z_x) * (q_w[k] - z_w[g])  + b

Two codes lie in a byte: input 2j in its low half, 2j + 1 in its high half, as two's complement in [-8, 7].
"""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedRows, QuantizedWeight


def pack(codes: torch.Tensor) -> torch.Tensor:
    """Return codes [O, I] int8 in [-8, 7], I even, as bytes [O, I / 2] uint8."""
    if codes.shape[1] % 2:
        raise ValueError(f"4-bit codes are packed in pairs; got {codes.shape[1]} inputs, an odd number")
    if codes.min() < -8 or codes.max() > 7:
        raise ValueError(f"4-bit codes lie in [-8, 7]; got [{int(codes.min())}, {int(codes.max())}]")
    low, high = codes[:, 0::2] & 0xF, codes[:, 1::2] & 0xF
    return (low | (high << 4)).view(torch.uint8)


def unpack(packed: torch.Tensor) -> torch.Tensor:
    """Return bytes [O, I / 2] uint8 as codes [O, I] int8 in [-8, 7]."""
    nibbles = torch.stack([packed & 0xF, packed >> 4], dim=-1).reshape(len(packed), -1).to(torch.int8)
    return torch.where(nibbles > 7, nibbles - 16, nibbles)


def linear_w4a8(rows: QuantizedRows, weight: QuantizedWeight, bias: torch.Tensor | None) -> torch.Tensor:
    """Return the product of quantized rows [..., I] with a weight [O, I] of 4-bit codes as [..., O] float32."""
    groups = weight.scale.shape[1]
    x = (rows.codes.long() - rows.zero.long()[..., None]).unflatten(-1, (groups, -1))  # [..., G, I / G]
    w = weight.codes.long().unflatten(-1, (groups, -1)) - weight.zero.long()[:, :, None]  # [O, G, I / G]
    product = torch.einsum("...gi,ogi->...og", x, w).double()  # exact in int64
    y = (product * weight.scale.double()).sum(-1) * rows.scale.double()[..., None]
    return (y if bias is None else y + bias.double()).float()
