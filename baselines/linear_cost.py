"""Operations and bytes of the linear layers of other people's libraries, whose packed weights torch cannot see into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SCALE_BYTES = 4 + 4
"""A float32 scale and an int32 zero point."""


def flops(x: torch.Tensor, *_: Any, out: torch.Tensor, **__: Any) -> int:
    """Return the operations of x [..., I] -> [..., O]: one multiply-accumulate, 2 operations, per product."""
    return 2 * x.numel() * out.shape[-1]


def int8_weight_bytes(in_features: int, out_features: int, scales: int) -> int:
    """Return what a packed weight holds: 1 byte a code, and a scale and a zero point for each of ``scales`` ranges."""
    return in_features * out_features + scales * SCALE_BYTES


def int8_bytes(x: torch.Tensor, *_: Any, out: torch.Tensor, **__: Any) -> int:
    """Return the bytes of x [..., I] and of an int8 weight of per-channel scales, read, and of y [..., O], written."""
    return x.nbytes + out.nbytes + int8_weight_bytes(x.shape[-1], out.shape[-1], out.shape[-1])
