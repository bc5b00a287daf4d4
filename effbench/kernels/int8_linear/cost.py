"""Operations and bytes of the int8 linear layer; the packed weight hides its size, so the shapes of x and y tell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from effbench.kernels.cost import Cost

FLOAT32_BYTES = 4
BYTES_PER_CHANNEL = 4 + 4
"""A float32 scale and an int32 zero point beside the codes of each output channel."""


def flops(x_shape: Sequence[int], *_: Any, out_shape: Sequence[int], **__: Any) -> int:
    """Return the operations of x [..., I] -> [..., O]: one multiply-accumulate, 2 operations, per product."""
    return 2 * math.prod(x_shape) * out_shape[-1]


def packed_bytes(in_features: int, out_features: int) -> int:
    """Return what a packed weight holds: 1 byte a code, a scale and a zero point a channel."""
    return in_features * out_features + out_features * BYTES_PER_CHANNEL


def bytes_moved(x_shape: Sequence[int], *_: Any, out_shape: Sequence[int], **__: Any) -> int:
    """Return the bytes of x [..., I] float32 and of the packed weight, read, and of y [..., O] float32, written."""
    activations = FLOAT32_BYTES * (math.prod(x_shape) + math.prod(out_shape))
    return activations + packed_bytes(x_shape[-1], out_shape[-1])


COSTS = {"quantized::linear_with_input_q_dq_qweight_dq_output_fp32": Cost(flops, bytes_moved, "int8")}
