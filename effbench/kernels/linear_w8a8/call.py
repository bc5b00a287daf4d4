"""What ``linear_w8a8`` and ``linear_w4a8`` share: their arguments, what is refused, and which implementation runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

import torch

from effbench.kernels.adaln_quantize import adaln_quantize
from effbench.kernels.choice import Choice, Implementation, chosen
from effbench.kernels.codes import QuantizedRows, QuantizedWeight, StaticRange
from effbench.kernels.gelu_quantize import gelu_quantize
from effbench.kernels.linear_w8a8 import cpu
from effbench.kernels.linear_w8a8.around import Before, Modulation, Residual, applied, check_around, row_length
from effbench.kernels.linear_w8a8.packed import PackedWeight
from effbench.kernels.quantize_rows import quantize_rows
from effbench.kernels.quantize_rows.request import check_request

Reference = Callable[[QuantizedRows, QuantizedWeight, torch.Tensor | None], torch.Tensor]


class Quantization(NamedTuple):
    """How rows are quantized, as ``quantize_rows`` takes it; ``bits`` None is what is multiplied exactly."""

    bits: int | None
    symmetric: bool
    static: StaticRange | None
    multiplier: torch.Tensor | None
    rotate: bool


DEFAULT = Quantization(None, False, None, None, False)
"""Row by row, asymmetric, to as many bits as are multiplied exactly."""


def quantization(
    bits: int | None, symmetric: bool, static: StaticRange | None, multiplier: torch.Tensor | None, rotate: bool
) -> Quantization:
    """Return how rows are quantized; ``DEFAULT`` itself where nothing is asked for."""
    if bits is None and static is None and multiplier is None and not symmetric and not rotate:
        return DEFAULT
    return Quantization(bits, symmetric, static, multiplier, rotate)


def integer_linear(
    x: torch.Tensor | QuantizedRows,
    weight: PackedWeight,
    bias: torch.Tensor | None,
    how: Quantization,
    impl: Choice,
    reference: Reference,
    before: Before = None,
    residual: Residual | None = None,
) -> torch.Tensor:
    """Return x [..., I] times a packed weight [O, I], plus bias, by the implementation that ``impl`` means."""
    operation = weight.operation
    values = x.codes if isinstance(x, QuantizedRows) else x
    ran = chosen(operation, impl, values, torch.float32 if values is x else torch.uint8)
    check_rows(weight, values.shape, torch.float32 if values is not x else x.dtype, before, residual)
    if ran != "reference" and (weight.panels is None) == (ran == "cpu"):
        raise ValueError(f"{operation}: a weight that was packed on {weight.device.type} cannot be multiplied by {ran}")
    if isinstance(x, QuantizedRows):
        if how is not DEFAULT or before is not None:
            raise ValueError(f"{operation}: rows that are quantized already cannot be quantized otherwise")
        check_bias(weight, bias)
        if ran == "cpu":
            _check_exact(x.codes, weight)
            return cpu.Layer(weight, bias, weight.activation_bits, False, None, None, False)(x, None, residual)
        rows, dtype = x, torch.float32
    else:
        bits = checked_bits(weight, bias, how)
        if ran == "cpu":
            return cpu.Layer(weight, bias, bits, *how[1:])(x, before, residual)
        rows, dtype = _quantized(x, before, how._replace(bits=bits), ran), x.dtype
    if ran == "reference":
        y = reference(rows, weight.weight(), bias)
        return y if residual is None else residual(y)
    gpu = getattr(import_module(f"effbench.kernels.{operation}.gpu"), operation)
    result: torch.Tensor
    if weight.gpu_adds_gated and residual is not None and residual.gate is not None:
        result = gpu(rows, weight.on_gpu, bias, dtype=dtype, residual=residual.stream, gate=residual.gate)
        return result
    result = gpu(rows, weight.on_gpu, bias, dtype=dtype)
    return result if residual is None else residual(result)


def check_rows(
    weight: PackedWeight, shape: torch.Size, dtype: torch.dtype, before: Before, residual: Residual | None
) -> None:
    """Raise ``ValueError`` where rows of a shape and type, or what is done to them, do not fit a weight."""
    if shape[-1] != row_length(before, weight.inputs):
        raise ValueError(
            f"{weight.operation}: rows of {shape[-1]} numbers do not fit a weight of {weight.inputs} inputs"
        )
    if before is not None or residual is not None:
        check_around(weight.operation, shape, dtype, weight.outputs, before, residual)


def check_bias(weight: PackedWeight, bias: torch.Tensor | None) -> None:
    """Raise ``ValueError`` where a bias does not fit a weight."""
    if bias is not None and (bias.shape != (weight.outputs,) or bias.dtype != torch.float32):
        raise ValueError(
            f"{weight.operation} wants a float32 bias [{weight.outputs}], got {bias.dtype} {list(bias.shape)}"
        )


def checked_bits(weight: PackedWeight, bias: torch.Tensor | None, how: Quantization) -> int:
    """Return the bits that rows are quantized to; raise ``ValueError`` where that, or the bias, does not fit the weight."""
    check_bias(weight, bias)
    most = weight.activation_bits
    if how is DEFAULT:  # what most calls ask for, and what small ones have no time to check
        return most
    bits, _, static, multiplier, rotate = how
    bits = check_request(weight.operation, weight.inputs, most if bits is None else bits, static, multiplier, rotate)
    if bits > most:
        raise ValueError(f"{weight.operation}: {weight.isa} multiplies codes of {most} bits exactly, not of {bits}")
    return bits


def prepared(weight: PackedWeight, bias: torch.Tensor | None, how: Quantization) -> cpu.Layer | None:
    """Return a layer whose arguments are checked and laid out once; None for a weight that is not packed on a CPU."""
    return None if weight.panels is None else cpu.Layer(weight, bias, checked_bits(weight, bias, how), *how[1:])


def _quantized(x: torch.Tensor, before: Before, how: Quantization, ran: Implementation) -> QuantizedRows:
    bits, symmetric, static, multiplier, rotate = how
    assert bits is not None
    if static is not None or before is None or before == "geglu":
        x = applied(before, x)
        return quantize_rows(
            x, bits, symmetric=symmetric, static=static, multiplier=multiplier, rotate=rotate, impl=ran
        )
    if isinstance(before, Modulation):
        return adaln_quantize(x, *before, bits, symmetric=symmetric, multiplier=multiplier, rotate=rotate, impl=ran)
    return gelu_quantize(x, bits, symmetric=symmetric, multiplier=multiplier, rotate=rotate, impl=ran)


def _check_exact(codes: torch.Tensor, weight: PackedWeight) -> None:
    """Raise ``ValueError`` for codes that the instruction set does not multiply exactly."""
    largest = 2**weight.activation_bits - 1
    if weight.activation_bits < 8 and codes.numel() and (found := int(codes.max())) > largest:
        raise ValueError(f"{weight.operation}: {weight.isa} multiplies codes up to {largest} exactly, got {found}")
