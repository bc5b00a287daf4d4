"""Rounding of weights to codes: each to the nearest one, or column by column so that later columns make up for it (GPTQ)."""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedWeight
from effbench.quantization.ranges import code_bounds, weight_range
from effbench.quantization.schemes import UNQUANTIZED, WeightScheme

DAMPING = 0.01
"""Share of the Hessian's mean diagonal that is added to its diagonal (GPTQ, arXiv 2210.17323, section 3.3)."""
BLOCK = 128
"""Columns whose updates to the rest are gathered into one product (GPTQ, section 3.3)."""


def quantize_weight(weight: torch.Tensor, scheme: WeightScheme, hessian: torch.Tensor | None = None) -> QuantizedWeight:
    """Return the codes of a weight [O, I] under a scheme.

    ``hessian`` [I, I] is X^T X over calibration rows X, which GPTQ needs. Raises ``ValueError`` for 16 bits, for a weight
    that is not finite, and for GPTQ without a Hessian.
    """
    if scheme.bits == UNQUANTIZED:
        raise ValueError("16 bits leave a weight as it is: there are no codes")
    if not torch.isfinite(weight).all():
        raise ValueError("a weight to be quantized is finite; got NaN or infinity")
    scale, zero = weight_range(weight, scheme.bits, scheme.groups_of(weight.shape[1]), scheme.symmetric)
    bounds = code_bounds(scheme.bits, scheme.symmetric)
    if scheme.rounding == "nearest":
        return _nearest(weight, scale, zero, bounds)
    if hessian is None:
        raise ValueError("GPTQ rounding needs the Hessian X^T X of calibration rows")
    return _gptq(weight, scale, zero, bounds, hessian)


def _nearest(weight: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, bounds: tuple[int, int]) -> QuantizedWeight:
    grouped = weight.detach().float().unflatten(1, (scale.shape[1], -1))  # [O, G, I / G]
    codes = ((grouped / scale[:, :, None]).round() + zero[:, :, None]).clamp(*bounds)
    return QuantizedWeight(codes.flatten(1).to(torch.int8), scale, zero)


def _gptq(
    weight: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, bounds: tuple[int, int], hessian: torch.Tensor
) -> QuantizedWeight:
    """Return codes by GPTQ (arXiv 2210.17323): columns by falling diagonal of H, errors carried to the columns that follow.

    Scales are those of the weight as given, for every group, so that the order of columns is free. An input that is zero in
    all calibration rows is rounded to the nearest code and passes nothing on.
    """
    outputs, inputs = weight.shape
    order = torch.argsort(hessian.diagonal(), descending=True, stable=True)
    rest = weight.detach().double()[:, order]  # [O, I], what is left to be represented
    per_column = inputs // scale.shape[1]
    scales = scale.double().repeat_interleave(per_column, 1)[:, order]
    zeros = zero.double().repeat_interleave(per_column, 1)[:, order]
    factor = _inverse_factor(hessian.double()[order][:, order])
    codes = torch.empty_like(rest)
    for start in range(0, inputs, BLOCK):
        stop = min(start + BLOCK, inputs)
        errors = torch.empty(outputs, stop - start, dtype=rest.dtype, device=rest.device)
        for j in range(start, stop):
            column = ((rest[:, j] / scales[:, j]).round() + zeros[:, j]).clamp(*bounds)
            codes[:, j] = column
            errors[:, j - start] = (rest[:, j] - (column - zeros[:, j]) * scales[:, j]) / factor[j, j]
            rest[:, j + 1 : stop] -= errors[:, j - start, None] * factor[j, j + 1 : stop]
        rest[:, stop:] -= errors @ factor[start:stop, stop:]
    restored = torch.empty_like(codes)
    restored[:, order] = codes
    return QuantizedWeight(restored.to(torch.int8), scale, zero)


def _inverse_factor(hessian: torch.Tensor) -> torch.Tensor:
    """Return the upper Cholesky factor of the damped Hessian's inverse [I, I]."""
    if not torch.isfinite(hessian).all():
        raise ValueError("the Hessian of calibration rows is not finite")
    diagonal = hessian.diagonal()
    damped = hessian + torch.diag(torch.full_like(diagonal, float(DAMPING * diagonal.mean())))
    damped += torch.diag((damped.diagonal() <= 0).to(damped.dtype))  # no row at all reached this weight
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor: torch.Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor
