"""The fast CPU path: fbgemm's int8 product, kept within what AVX2 computes exactly.

Without VNNI the instruction that multiplies u8 by s8 adds two products in a saturating 16-bit register: full-range
codes overflow it silently (PyTorch issue 103646). With 7-bit activation codes, |2 * 127 * 127| = 32,258 < 32,767, no
pair can saturate, on any processor. Rows are divided by their largest magnitude first, so that one fixed scale and zero
point serve all of them: code = round(63 x) + 64, from 1 to 127.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch

from effbench.kernels import record_kernel
from effbench.kernels.int8_linear.reference import ACTIVATION_LEVELS, quantise_weight, row_absmax

ZERO_POINT = ACTIVATION_LEVELS + 1
"""What codes of u8 take for 0: the least that keeps -63 above 0, so that the largest code, 127, has seven bits."""


def pack(weight: torch.Tensor) -> Any:
    """Return fbgemm's packed form of a weight [O, I] float32."""
    codes, scale = quantise_weight(weight)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantized.*", category=UserWarning)
        quantised = torch._make_per_channel_quantized_tensor(
            codes, scale.double(), torch.zeros(len(scale), dtype=torch.int64), 0
        )
    previous = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        return torch.ops.quantized.linear_prepack(quantised, None)
    finally:
        torch.backends.quantized.engine = previous


def linear(x: torch.Tensor, packed: Any, bias: torch.Tensor | None) -> torch.Tensor:
    """Return x [..., I] float32 times the packed weight, plus bias [O], as [..., O] float32."""
    absmax = row_absmax(x)  # [..., 1]
    y = product(x / absmax, packed)
    # In place: a fresh buffer of this size costs page faults that take as long as the product.
    y.mul_(absmax)
    return y if bias is None else y.add_(bias)


def product(x: torch.Tensor, packed: Any) -> torch.Tensor:
    """Return x [..., I] float32 in [-1, 1] times the packed weight, as [..., O] float32."""
    y: torch.Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
        x, 1 / ACTIVATION_LEVELS, ZERO_POINT, packed
    )
    record_kernel("int8_linear/fbgemm", x, packed, out=y)
    return y
