"""Bytes of the rotation of rows, and no products: its factors are +-1, so that it adds; that work is in its time."""

from __future__ import annotations

from typing import Any

from effbench.kernels.cost import Cost
from effbench.kernels.operands import operand_bytes


def flops(*_: Any, out: Any) -> int:
    """Return 0: no product of matrices."""
    return 0


def bytes_moved(*operands: Any, out: Any) -> int:
    """Return the bytes of the rows, read, and of the rotated ones, written."""
    return operand_bytes(*operands, out)


COSTS = {
    f"hadamard/{name}": Cost(flops, bytes_moved, "float32") for name in ("avx512-vnni", "avx2", "portable", "triton")
}
"""Recorded kernel -> cost."""
