"""W8A8 convolution, the specification: activations under one static range, weights with one scale an output channel.

A static range has a zero point, and padding means 0: it must be padded with the *code* of 0, ``zero``, not with code 0 ::

    y = s_x * s_w * conv(q_x - z_x, q_w) + b
"""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.linear_w8a8.reference import quantize_weight
from effbench.kernels.quantize_rows.reference import quantize_tensor


def quantize_kernel(weight: torch.Tensor) -> QuantizedWeight:
    """Return the symmetric int8 codes of a kernel [O, I, KH, KW] as those of a weight [O, I * KH * KW]."""
    return quantize_weight(weight.flatten(1))


def conv2d_w8a8(
    x: torch.Tensor,
    weight: QuantizedWeight,
    kernel: tuple[int, int],
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """Return the convolution of x [B, I, H, W] with a kernel [O, I, KH, KW] as [B, O, H', W'] float32."""
    codes = (
        quantize_tensor(x, static).double() - static.zero
    )  # exact in float64; padding by 0 is padding by the zero point
    taps = (weight.codes.double() - weight.zero.double()).reshape(len(weight.codes), x.shape[1], *kernel)
    product = torch.nn.functional.conv2d(codes, taps, None, stride, padding)
    y = product * static.scale * weight.scale.double()[:, 0, None, None]
    return (y if bias is None else y + bias.double()[:, None, None]).float()
