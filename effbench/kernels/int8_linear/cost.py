"""Operations of the int8 linear layer, for the FLOP counter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


def flops(x_shape: tuple[int, ...], out_features: int) -> int:
    """Return the operations of x [..., I] -> [..., O]: one multiply-accumulate, 2 operations, per product."""
    return 2 * math.prod(x_shape) * out_features


def formulas() -> dict[Any, Callable[..., int]]:
    """Return the formula under the operator that runs it (output shape tells O; the packed weight hides it)."""
    import torch

    def linear(x_shape: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return flops(tuple(x_shape), out_shape[-1])

    return {torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32: linear}
