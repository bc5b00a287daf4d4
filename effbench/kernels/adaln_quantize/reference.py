"""LayerNorm without weights, modulation and quantization of rows, the specification.

It feeds q, k, v and the MLP of a DiT::

    x' = (x - mean) / sqrt(var + eps) * (1 + scale) + shift,   codes = quantize_rows(x' * multiplier [@ H])

(adaLN-zero, Peebles and Xie 2023, section 3.2). ``multiplier`` is 1 / s of smoothing and the signs of a rotation.
"""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedRows
from effbench.kernels.hadamard.reference import transformed
from effbench.kernels.quantize_rows.reference import quantize_rows


def adaln_quantize(
    x: torch.Tensor,
    shift: torch.Tensor,
    scale: torch.Tensor,
    eps: float = 1e-6,
    bits: int = 8,
    symmetric: bool = False,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
) -> QuantizedRows:
    """Return the codes of x [B, N, C] under shift and scale [B, C], one of each for the N rows of a batch item."""
    normed = torch.nn.functional.layer_norm(x.float(), x.shape[-1:], eps=eps)
    modulated = normed * (1 + scale.float()[:, None]) + shift.float()[:, None]  # [B, N, C]
    return quantize_rows(transformed(modulated, multiplier, rotate), bits, symmetric)
