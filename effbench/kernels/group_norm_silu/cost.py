"""Bytes of GroupNorm and SiLU; element-wise work is in its time, as everywhere."""

from __future__ import annotations

from typing import Any

from effbench.kernels.cost import Cost
from effbench.kernels.operands import operand_bytes


def flops(*_: Any, out: Any) -> int:
    """Return 0: no product of matrices."""
    return 0


def bytes_moved(*operands: Any, out: Any) -> int:
    """Return the bytes of what is read and of what is written, each once."""
    return operand_bytes(*operands, out)


COSTS = {f"group_norm_silu/{name}": Cost(flops, bytes_moved, "float32") for name in ("avx512-vnni", "avx2", "portable")}
"""Recorded kernel -> cost."""
