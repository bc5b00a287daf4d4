"""Linear layer with 8-bit weights and 8-bit activations: ``pack_w8a8`` once, ``linear_w8a8`` at every call."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.linear_w8a8 import cpu, reference
from effbench.kernels.linear_w8a8.packed import PackedW8, pack_w8a8
from effbench.kernels.linear_w8a8.reference import quantize_weight
from effbench.kernels.quantize_rows import quantize_rows
from effbench.kernels.quantize_rows.request import check_request

__all__ = ["PackedW8", "linear_w8a8", "pack_w8a8", "quantize_weight"]


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
    impl: Choice = "auto",
) -> torch.Tensor:
    """Return x [..., I] times a packed weight [O, I], plus bias [O] float32, as [..., O].

    x is multiplied by ``multiplier`` [I] float32, rotated and quantized row by row, or in one range for all of it where
    ``static`` gives one; or it is quantized already, and none of these are given. ``bits`` is what the instruction set
    multiplies exactly, unless fewer are asked for. A row that holds NaN or infinity gives a row of NaN. Raises
    ``ValueError`` for operands that do not fit one another, and for more bits than are multiplied exactly.
    """
    is_quantized = isinstance(x, QuantizedRows)
    values = x.codes if is_quantized else x
    ran = chosen("linear_w8a8", impl, values, torch.uint8 if is_quantized else torch.float32)
    if values.shape[-1] != weight.inputs:
        raise ValueError(f"linear_w8a8: rows of {values.shape[-1]} numbers do not fit a weight of {weight.inputs} inputs")
    if bias is not None and (bias.shape != (weight.outputs,) or bias.dtype != torch.float32):
        raise ValueError(f"linear_w8a8 wants a float32 bias [{weight.outputs}], got {bias.dtype} {list(bias.shape)}")
    bits = weight.activation_bits if bits is None else bits
    if is_quantized:
        if bits != weight.activation_bits or symmetric or static or multiplier is not None or rotate:
            raise ValueError("linear_w8a8: rows that are quantized already cannot be quantized otherwise")
        if ran == "cpu":
            check_exact(values, weight)
    else:
        bits = check_request("linear_w8a8", weight.inputs, bits, static, multiplier, rotate)
        if bits > weight.activation_bits:
            raise ValueError(
                f"linear_w8a8: {weight.isa} multiplies codes of {weight.activation_bits} bits exactly, not of {bits}"
            )
    if ran == "cpu":
        return cpu.linear_w8a8(x, weight, bias, bits, symmetric, static, multiplier, rotate)
    if not isinstance(x, QuantizedRows):
        rows = quantize_rows(
            x, bits, symmetric=symmetric, static=static, multiplier=multiplier, rotate=rotate, impl=ran
        )
    else:
        rows = x
    if ran == "reference":
        return reference.linear_w8a8(rows, weight.weight(), bias)
    from effbench.kernels.linear_w8a8 import gpu

    return gpu.linear_w8a8(rows, weight.weight(), bias, dtype=torch.float32 if is_quantized else x.dtype)


def check_exact(codes: torch.Tensor, weight: PackedW8) -> None:
    """Raise ``ValueError`` for codes that the instruction set does not multiply exactly."""
    most = 2**weight.activation_bits - 1
    if weight.activation_bits < 8 and codes.numel() and (largest := int(codes.max())) > most:
        raise ValueError(f"linear_w8a8: {weight.isa} multiplies codes up to {most} exactly, got {largest}")
