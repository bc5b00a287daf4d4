"""What the operands of a recorded kernel hold, for the costs in ``kernels/<op>/cost.py``."""

from __future__ import annotations

import math
from typing import Any


def operand_bytes(*operands: Any) -> int:
    """Return the bytes of tensors, of tuples of them and of packed weights (``packed_bytes``); numbers hold none."""
    total = 0
    for operand in operands:
        if hasattr(operand, "packed_bytes"):
            total += operand.packed_bytes()
        elif isinstance(operand, tuple):
            total += operand_bytes(*operand)
        else:
            total += getattr(operand, "nbytes", 0)
    return total


def element_count(rows: Any) -> int:
    """Return how many numbers rows are, as a tensor or as ``QuantizedRows``."""
    return math.prod((rows.codes if hasattr(rows, "codes") else rows).shape)
