"""LayerNorm without weights, modulation and quantization of rows in one pass, as the layers of a DiT take them."""

from __future__ import annotations

import torch

from effbench.kernels.adaln_quantize import cpu, reference
from effbench.kernels.choice import Choice, chosen
from effbench.kernels.codes import QuantizedRows
from effbench.kernels.quantize_rows.request import check_request

__all__ = ["adaln_quantize"]


def adaln_quantize(
    x: torch.Tensor,
    shift: torch.Tensor,
    scale: torch.Tensor,
    eps: float = 1e-6,
    bits: int = 8,
    *,
    symmetric: bool = False,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
    impl: Choice = "auto",
) -> QuantizedRows:
    """Return the codes of x [B, N, C], normalized and modulated by shift and scale [B, C], then multiplied and rotated.

    ``multiplier`` is [C] float32. Raises ``ValueError`` for operands that do not fit one another.
    """
    ran = chosen("adaln_quantize", impl, x)
    if x.ndim != 3 or any(part.shape != (x.shape[0], x.shape[2]) or part.dtype != x.dtype for part in (shift, scale)):
        shapes = ", ".join(f"{str(part.dtype).removeprefix('torch.')} {list(part.shape)}" for part in (x, shift, scale))
        raise ValueError(f"adaln_quantize wants x [B, N, C] and shift and scale [B, C] of one dtype, got {shapes}")
    check_request("adaln_quantize", x.shape[-1], bits, None, multiplier, rotate)
    if ran == "cpu":
        return cpu.adaln_quantize(x, shift, scale, eps, bits, symmetric, multiplier, rotate)
    if ran == "reference":
        return reference.adaln_quantize(x, shift, scale, eps, bits, symmetric, multiplier, rotate)
    from effbench.kernels.adaln_quantize import gpu

    return gpu.adaln_quantize(x, shift, scale, eps, bits, symmetric, multiplier, rotate)
