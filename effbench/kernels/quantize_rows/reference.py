"""Quantization of rows at run time, the specification: each row has its own scale, so nothing depends on its neighbours.

Symmetric, with L = 2^(bits-1) - 1::

    scale = max|x| / L,  zero = L + 1

asymmetric, in a range that always holds 0, so that 0 keeps a code of its own::

    scale = (max(x, 0) - min(x, 0)) / (2^bits - 1),  zero = rint(-min(x, 0) * (1 / scale))

and in both ``code = clamp(rint(x * (1 / scale)) + zero, 0, 2^bits - 1)``, in float32, ties to even. The reciprocal is rounded
once and multiplied by, which every kernel does alike: codes are equal, not close. ViDiT-Q (arXiv 2406.02540, section 3.2)
quantizes activations so, per token.
"""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedRows, StaticRange

LEAST_RANGE = 1e-30
"""Rows whose range is below this count as zero: their reciprocal scale would not be a float32."""


def quantize_rows(x: torch.Tensor, bits: int = 8, symmetric: bool = False) -> QuantizedRows:
    """Return rows x [..., C] as codes of 2 to 8 bits; rows of zeros get scale 1."""
    x = x.float()
    top = 2**bits - 1
    low, high = x.amin(-1).clamp(max=0), x.amax(-1).clamp(min=0)  # [...]
    if symmetric:
        span, steps = torch.maximum(high, -low), 2 ** (bits - 1) - 1
    else:
        span, steps = high - low, top
    scale = torch.where(span < LEAST_RANGE, torch.ones_like(span), span / steps)
    scale = torch.where(torch.isfinite(x).all(-1), scale, torch.full_like(scale, torch.nan))
    inverse = 1 / scale
    zero = torch.full_like(scale, 2 ** (bits - 1)) if symmetric else (-low * inverse).round()
    codes = ((x * inverse[..., None]).round() + zero[..., None]).clamp(0, top)
    codes, zero = codes.nan_to_num(0).to(torch.uint8), zero.nan_to_num(0).to(torch.int32)
    return QuantizedRows(codes, scale, zero, codes.sum(-1, dtype=torch.int32))


def quantize_tensor(x: torch.Tensor, static: StaticRange) -> torch.Tensor:
    """Return x as uint8 codes of one range that was fixed before; raise ``ValueError`` for what is not finite."""
    if not torch.isfinite(x).all():
        raise ValueError("a static range quantizes finite numbers only; got NaN or infinity")
    inverse = torch.tensor(1.0, dtype=torch.float32) / torch.tensor(static.scale, dtype=torch.float32)
    return ((x.float() * inverse).round() + static.zero).clamp(0, 2**static.bits - 1).to(torch.uint8)


def quantize_rows_static(x: torch.Tensor, static: StaticRange) -> QuantizedRows:
    """Return rows x [..., C] as codes of one range that was fixed before; a row that is not finite has scale NaN."""
    finite = torch.isfinite(x).all(-1)
    codes = quantize_tensor(torch.where(finite[..., None], x, torch.zeros_like(x)), static)
    codes = torch.where(finite[..., None], codes, torch.zeros_like(codes))
    scale = torch.where(finite, static.scale, torch.nan).float()
    zero = torch.full_like(scale, static.zero, dtype=torch.int32)
    return QuantizedRows(codes, scale, zero, codes.sum(-1, dtype=torch.int32))
