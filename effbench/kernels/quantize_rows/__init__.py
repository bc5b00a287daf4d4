"""Quantization of rows at run time, each with its own scale, after smoothing and rotation where they are asked for."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.hadamard.reference import transformed
from effbench.kernels.quantize_rows import cpu, reference
from effbench.kernels.quantize_rows.request import check_request

__all__ = ["quantize_rows"]


def quantize_rows(
    x: torch.Tensor,
    bits: int = 8,
    *,
    symmetric: bool = False,
    static: StaticRange | None = None,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
    impl: Choice = "auto",
) -> QuantizedRows:
    """Return rows x [..., C] as codes, after multiplication by ``multiplier`` [C] float32 and rotation.

    Each row has a range of its own, unless ``static`` gives one for all, with bits of its own. Raises ``ValueError`` for
    what cannot be done.
    """
    ran = chosen("quantize_rows", impl, x)
    bits = check_request("quantize_rows", x.shape[-1], bits, static, multiplier, rotate)
    if ran == "cpu":
        return cpu.quantize_rows(x, bits, symmetric, static, multiplier, rotate)
    if ran == "reference":
        rows = transformed(x.float(), multiplier, rotate)
        return reference.quantize_rows(rows, bits, symmetric) if static is None else reference.quantize_rows_static(rows, static)
    from effbench.kernels.quantize_rows import gpu

    if rotate:
        from effbench.kernels.hadamard import gpu as rotation

        x = rotation.hadamard(x, multiplier)
    elif multiplier is not None:
        x = x * multiplier
    return gpu.quantize_rows(x, bits, symmetric) if static is None else gpu.quantize_rows_static(x, static)
