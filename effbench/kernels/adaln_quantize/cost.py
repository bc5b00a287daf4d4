"""Bytes of LayerNorm, modulation and the quantization of rows; it multiplies no matrices, and element-wise work is in its time, as everywhere."""

from __future__ import annotations

from typing import Any

from effbench.kernels.cost import Cost
from effbench.kernels.operands import operand_bytes


def flops(*_: Any, out: Any) -> int:
    """Return 0: no product of matrices."""
    return 0


def bytes_moved(*operands: Any, out: Any) -> int:
    """Return the bytes of what is read, and of codes, scales, zero points and sums, written."""
    return operand_bytes(*operands, out)


COSTS = {
    f"adaln_quantize/{name}": Cost(flops, bytes_moved, "float32")
    for name in ("avx512-vnni", "avx2", "portable", "triton")
}
"""Recorded kernel -> cost."""
