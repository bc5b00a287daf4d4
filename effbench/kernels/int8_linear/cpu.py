"""The fast CPU path: fbgemm's dynamically quantised linear operator, kept within what AVX2 computes exactly.

Without VNNI the instruction that multiplies u8 by s8 adds two products in a saturating 16-bit register: full-range
codes overflow it silently (PyTorch issue 103646). With 7-bit activation codes, |2 * 127 * 127| = 32,258 < 32,767, no
pair can saturate, on any processor, so activations are quantised to 7 bits (``reduce_range``) everywhere.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from effbench.kernels.int8_linear.reference import quantise_weight


def pack(weight: torch.Tensor, bias: torch.Tensor | None) -> Any:
    """Return fbgemm's packed form of a weight [O, I] float32 with its bias [O]."""
    codes, scale = quantise_weight(weight)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantized.*", category=UserWarning)
        quantised = torch._make_per_channel_quantized_tensor(
            codes, scale.double(), torch.zeros(len(scale), dtype=torch.int64), 0
        )
    previous = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        return torch.ops.quantized.linear_prepack(quantised, None if bias is None else bias.detach().float())
    finally:
        torch.backends.quantized.engine = previous


def linear(x: torch.Tensor, packed: Any) -> torch.Tensor:
    """Return x [..., I] float32 times the packed weight as [..., O] float32.

    The operator takes one activation scale for all it is given. Each item of a batch [B, N, I] is given alone, so that a
    sample's output never depends on the samples beside it.
    """
    if x.dim() > 2:
        return torch.stack([linear(item, packed) for item in x.unbind()])
    product: torch.Tensor = torch.ops.quantized.linear_dynamic(x, packed, reduce_range=True)
    return product
