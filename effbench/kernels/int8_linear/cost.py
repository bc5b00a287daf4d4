"""Operations and bytes of the int8 linear layer; the packed weight hides its size, so the shapes of x and y tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effbench.kernels.cost import SEEN_BY_TORCH, Cost

if TYPE_CHECKING:
    import torch

BYTES_PER_CHANNEL = 4 + 4
"""A float32 scale and an int32 zero point beside the codes of each output channel."""


def flops(x: torch.Tensor, *_: Any, out: torch.Tensor, **__: Any) -> int:
    """Return the operations of x [..., I] -> [..., O]: one multiply-accumulate, 2 operations, per product."""
    return 2 * x.numel() * out.shape[-1]


def packed_bytes(in_features: int, out_features: int) -> int:
    """Return what a packed weight holds: 1 byte a code, a scale and a zero point a channel."""
    return in_features * out_features + out_features * BYTES_PER_CHANNEL


def bytes_moved(x: torch.Tensor, *_: Any, out: torch.Tensor, **__: Any) -> int:
    """Return the bytes of x [..., I] and of the packed weight, read, and of y [..., O], written."""
    return x.nbytes + out.nbytes + packed_bytes(x.shape[-1], out.shape[-1])


COSTS = {
    "quantized::linear_with_input_q_dq_qweight_dq_output_fp32": Cost(flops, bytes_moved, "int8"),
    "int8_linear/fbgemm": SEEN_BY_TORCH,
}
"""The operator as torch names it, and the same product as ``cpu.product`` records it."""
