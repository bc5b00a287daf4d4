"""Operations and bytes of quanto's operators, whose insides torch's counters do not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effbench.kernels.cost import Cost
from effbench_baselines import linear_cost

if TYPE_CHECKING:
    import torch


def _product_bytes(x: torch.Tensor, codes: torch.Tensor, scales: torch.Tensor, *, out: torch.Tensor) -> int:
    """Return the bytes of x [..., I], int8 codes [O, I] and scales, read, and of y [..., O], written."""
    return x.nbytes + codes.nbytes + scales.nbytes + out.nbytes


def _nothing(*_: Any, **__: Any) -> int:
    return 0


def _unpacked_bytes(packed: torch.Tensor, *_: Any, out: torch.Tensor, **__: Any) -> int:
    """Return the bytes of packed codes, read, and of one code a byte, written."""
    return packed.nbytes + out.nbytes


COSTS = {
    "quanto::qbytes_mm": Cost(linear_cost.flops, _product_bytes, "float32"),
    "quanto::unpack": Cost(_nothing, _unpacked_bytes, "float32"),
}
"""Codes of 8 bits are multiplied as float32; unpacking shifts bits and multiplies nothing."""
