"""GELU (its tanh form) and quantization of rows in one pass, as the second layer of an MLP takes them."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.codes import QuantizedRows
from effbench.kernels.gelu_quantize import cpu, reference
from effbench.kernels.quantize_rows.request import check_request

__all__ = ["gelu_quantize"]


def gelu_quantize(
    x: torch.Tensor,
    bits: int = 8,
    *,
    symmetric: bool = False,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
    impl: Choice = "auto",
) -> QuantizedRows:
    """Return the codes of gelu(x) for rows x [..., C], after multiplication by ``multiplier`` [C] float32 and rotation."""
    ran = chosen("gelu_quantize", impl, x)
    check_request("gelu_quantize", x.shape[-1], bits, None, multiplier, rotate)
    if ran == "cpu":
        return cpu.gelu_quantize(x, bits, symmetric, multiplier, rotate)
    if ran == "reference":
        return reference.gelu_quantize(x, bits, symmetric, multiplier, rotate)
    from effbench.kernels.gelu_quantize import gpu

    return gpu.gelu_quantize(x, bits, symmetric, multiplier, rotate)
