"""Linear layer with packed 4-bit weights and 8-bit activations: half the memory of ``linear_w8a8``, no more speed."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.linear_w4a8 import reference
from effbench.kernels.linear_w4a8.packed import PackedW4, pack_w4a8
from effbench.kernels.linear_w8a8.around import Before, Residual
from effbench.kernels.linear_w8a8.call import integer_linear, quantization

__all__ = ["PackedW4", "linear_w4a8", "pack_w4a8"]


def linear_w4a8(
    x: torch.Tensor | QuantizedRows,
    weight: PackedW4,
    bias: torch.Tensor | None = None,
    *,
    bits: int | None = None,
    symmetric: bool = False,
    static: StaticRange | None = None,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
    before: Before = None,
    residual: Residual | None = None,
    impl: Choice = "auto",
) -> torch.Tensor:
    """Return x [..., I] times a packed weight [O, I] of 4-bit codes, plus bias [O] float32, as [..., O].

    Arguments and errors are those of ``linear_w8a8``. Sums are exact within a group, and added in float32.
    """
    how = quantization(bits, symmetric, static, multiplier, rotate)
    return integer_linear(x, weight, bias, how, impl, reference.linear_w4a8, before, residual)
