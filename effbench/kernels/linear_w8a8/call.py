"""What ``linear_w8a8`` and ``linear_w4a8`` share: their arguments, what is refused, and which implementation runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TypedDict

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.codes import QuantizedRows, QuantizedWeight, StaticRange
from effbench.kernels.linear_w8a8 import cpu
from effbench.kernels.linear_w8a8.packed import PackedWeight
from effbench.kernels.quantize_rows import quantize_rows
from effbench.kernels.quantize_rows.request import check_request

Reference = Callable[[QuantizedRows, QuantizedWeight, torch.Tensor | None], torch.Tensor]


class Quantization(TypedDict):
    """How rows are quantized, as ``quantize_rows`` takes it; ``bits`` None is what is multiplied exactly."""

    bits: int | None
    symmetric: bool
    static: StaticRange | None
    multiplier: torch.Tensor | None
    rotate: bool


def integer_linear(
    x: torch.Tensor | QuantizedRows,
    weight: PackedWeight,
    bias: torch.Tensor | None,
    how: Quantization,
    impl: Choice,
    reference: Reference,
) -> torch.Tensor:
    """Return x [..., I] times a packed weight [O, I], plus bias, by the implementation that ``impl`` means."""
    operation = weight.operation
    values = x.codes if isinstance(x, QuantizedRows) else x
    ran = chosen(operation, impl, values, torch.float32 if values is x else torch.uint8)
    if values.shape[-1] != weight.inputs:
        raise ValueError(
            f"{operation}: rows of {values.shape[-1]} numbers do not fit a weight of {weight.inputs} inputs"
        )
    if bias is not None and (bias.shape != (weight.outputs,) or bias.dtype != torch.float32):
        raise ValueError(f"{operation} wants a float32 bias [{weight.outputs}], got {bias.dtype} {list(bias.shape)}")
    if ran != "reference" and (weight.panels is None) == (ran == "cpu"):
        raise ValueError(f"{operation}: a weight that was packed on {weight.device.type} cannot be multiplied by {ran}")
    bits, symmetric, static, multiplier, rotate = how.values()
    most = weight.activation_bits
    if isinstance(x, QuantizedRows):
        if bits is not None or symmetric or static is not None or multiplier is not None or rotate:
            raise ValueError(f"{operation}: rows that are quantized already cannot be quantized otherwise")
        if ran == "cpu":
            _check_exact(x.codes, weight)
            return cpu.linear(x, weight, bias, most, False, None, None, False)
        rows = x
    else:
        bits = check_request(operation, weight.inputs, most if bits is None else bits, static, multiplier, rotate)
        if bits > most:
            raise ValueError(f"{operation}: {weight.isa} multiplies codes of {most} bits exactly, not of {bits}")
        if ran == "cpu":
            return cpu.linear(x, weight, bias, bits, symmetric, static, multiplier, rotate)
        rows = quantize_rows(
            x, bits, symmetric=symmetric, static=static, multiplier=multiplier, rotate=rotate, impl=ran
        )
    if ran == "reference":
        return reference(rows, weight.weight(), bias)
    gpu = getattr(import_module(f"effbench.kernels.{operation}.gpu"), operation)
    result: torch.Tensor = gpu(rows, weight.weight(), bias, dtype=torch.float32 if values is not x else values.dtype)
    return result


def _check_exact(codes: torch.Tensor, weight: PackedWeight) -> None:
    """Raise ``ValueError`` for codes that the instruction set does not multiply exactly."""
    largest = 2**weight.activation_bits - 1
    if weight.activation_bits < 8 and codes.numel() and (found := int(codes.max())) > largest:
        raise ValueError(f"{weight.operation}: {weight.isa} multiplies codes up to {largest} exactly, got {found}")
