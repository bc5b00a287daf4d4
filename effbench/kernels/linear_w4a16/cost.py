"""Operations and bytes of the W4A16 linear layer, by the names under which its implementations record themselves."""

from __future__ import annotations

from typing import Any

from effbench.kernels.cost import SEEN_BY_TORCH, Cost
from effbench.kernels.operands import element_count, operand_bytes


def flops(x: Any, weight: Any, bias: Any, *, out: Any) -> int:
    """Return the operations of x [..., I] -> [..., O]: one multiply-accumulate, 2 operations, per product."""
    return 2 * element_count(x) * out.shape[-1]


def bytes_moved(x: Any, weight: Any, bias: Any, *, out: Any) -> int:
    """Return the bytes of x, of the weight and of the bias, read, and of y, written."""
    return operand_bytes(x, weight, bias, out)


def multiplies(x: Any, weight: Any, bias: Any, *, out: Any) -> str:
    """Return the type that multiplies: that of x."""
    return str(x.dtype).removeprefix("torch.")


COSTS = {"linear_w4a16/strips": SEEN_BY_TORCH, "linear_w4a16/triton": Cost(flops, bytes_moved, multiplies)}
"""Recorded kernel -> cost; of ``strips`` torch sees the products."""
