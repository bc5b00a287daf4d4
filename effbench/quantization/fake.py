"""Quantization imitated in floats: values are rounded to what their codes stand for. The codes are those of the kernels."""

from __future__ import annotations

import torch

from effbench.kernels.codes import StaticRange
from effbench.kernels.quantize_rows import quantize_rows
from effbench.kernels.quantize_rows.reference import quantize_tensor
from effbench.quantization.schemes import UNQUANTIZED, group_count
from effbench.quantization.transform import implementation


def fake_rows(x: torch.Tensor, bits: int, symmetric: bool = False, group: int | None = None) -> torch.Tensor:
    """Return x [..., C] rounded row by row (or group by group of a row) to ``bits`` bits; 16 leaves it as it is."""
    if bits == UNQUANTIZED:
        return x
    grouped = x.unflatten(-1, (group_count(x.shape[-1], group), -1))
    rows = quantize_rows(grouped.contiguous(), bits, symmetric=symmetric, impl=implementation(x))
    values = (rows.codes.float() - rows.zero[..., None]) * rows.scale[..., None]
    return values.flatten(-2).to(x.dtype)


def fake_tensor(x: torch.Tensor, static: StaticRange) -> torch.Tensor:
    """Return x rounded to the codes of one range that was fixed before; what lies outside is cut off."""
    if static.bits == UNQUANTIZED:
        return x
    return ((quantize_tensor(x, static).float() - static.zero) * static.scale).to(x.dtype)
