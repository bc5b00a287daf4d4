"""Operations and bytes of the W4A8 linear layer, by the names under which its implementations record themselves."""

from __future__ import annotations

from typing import Any

from effbench.kernels.cost import Cost
from effbench.kernels.operands import element_count, operand_bytes


def flops(x: Any, weight: Any, bias: Any, *, out: Any) -> int:
    """Return the operations of x [..., I] -> [..., O]: one multiply-accumulate, 2 operations, per product."""
    return 2 * element_count(x) * int(out.shape[-1])


def bytes_moved(x: Any, weight: Any, bias: Any, *, out: Any) -> int:
    """Return the bytes of x, of the weight and of the bias, read, and of y, written."""
    return operand_bytes(x, weight, bias, out)


LINEAR = Cost(flops, bytes_moved, "int8")
COSTS = {f"linear_w4a8/{name}": LINEAR for name in ("amx-int8", "avx512-vnni", "avx2", "portable", "triton")}
"""Recorded kernel -> cost."""
