"""Linear layer with 8-bit weights and 8-bit activations: ``pack_w8a8`` once, ``linear_w8a8`` at every call."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.linear_w8a8 import reference
from effbench.kernels.linear_w8a8.around import Before, Modulation, Residual
from effbench.kernels.linear_w8a8.call import integer_linear, quantization
from effbench.kernels.linear_w8a8.packed import PackedW8, pack_w8a8
from effbench.kernels.linear_w8a8.reference import quantize_weight

__all__ = ["Modulation", "PackedW8", "Residual", "linear_w8a8", "pack_w8a8", "quantize_weight"]


def linear_w8a8(
    x: torch.Tensor | QuantizedRows,
    weight: PackedW8,
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
    """Return x [..., I] times a packed weight [O, I], plus bias [O] float32, as [..., O].

    x is multiplied by ``multiplier`` [I] float32, rotated and quantized row by row, or in one range for all of it where
    ``static`` gives one; or it is quantized already, and none of these are given. ``bits`` is what the instruction set
    multiplies exactly, unless fewer are asked for. ``before`` is what makes the rows of x first, in the same pass, and
    ``residual`` what the product is added to. A row that holds NaN or infinity gives a row of NaN. Raises
    ``ValueError`` for operands that do not fit one another, and for more bits than are multiplied exactly.
    """
    how = quantization(bits, symmetric, static, multiplier, rotate)
    return integer_linear(x, weight, bias, how, impl, reference.linear_w8a8, before, residual)
