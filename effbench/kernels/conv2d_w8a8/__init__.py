"""Convolution with 8-bit weights and 8-bit activations of one static range; padding is the code of 0.

``pack_conv_w8a8`` puts the codes of a kernel in order once, ``conv2d_w8a8`` quantizes, multiplies and finishes in one call.
"""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.conv2d_w8a8 import cpu, packing, reference
from effbench.kernels.conv2d_w8a8.geometry import Pair, check_range, result_size
from effbench.kernels.conv2d_w8a8.packing import PackedConvW8

__all__ = ["PackedConvW8", "conv2d_w8a8", "pack_conv_w8a8"]


def pack_conv_w8a8(weight: QuantizedWeight, kernel: Pair) -> PackedConvW8:
    """Return the codes of a kernel [O, I, KH, KW], given as those of a weight [O, I * KH * KW], packed on their device.

    On the CPU the functions that read them are compiled by the way, if no process did so before. Raises ``ValueError`` for
    more than one scale a channel, and for so many inputs that a sum may exceed 32 bits.
    """
    packed = packing.pack_conv_w8a8(weight, kernel)
    if packed.isa is not None:
        cpu.kernels(packed.isa)
    return packed


def conv2d_w8a8(
    x: torch.Tensor,
    weight: PackedConvW8,
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    impl: Choice = "auto",
) -> torch.Tensor:
    """Return the convolution of x [B, I, H, W] with a packed kernel [O, I, KH, KW] as [B, O, H', W'] float32.

    ``impl`` "auto" is "triton" for CUDA tensors and "cpu" for float32 ones on the CPU. Raises ``ValueError`` for operands that
    do not fit each other, groups of channels, a range without a code for 0 or with more bits than the instruction set
    multiplies exactly, and on a CPU for an x that is not finite.
    """
    result_size(x.shape, weight.inputs, weight.kernel, stride, padding)
    check_range(static)
    if weight.codes.device != x.device:
        raise ValueError(f"x is on {x.device}, the kernel was packed on {weight.codes.device}")
    if bias is not None and (bias.shape != (weight.outputs,) or bias.dtype not in (torch.float32, x.dtype)):
        raise ValueError(f"a bias is [{weight.outputs}] float32, got {list(bias.shape)} {bias.dtype}")
    ran = chosen("conv2d_w8a8", impl, x)
    if ran == "cpu":
        return cpu.conv2d_w8a8(x, weight, bias, static, stride, padding)
    if ran == "reference":
        return reference.conv2d_w8a8(x, weight.plain(), weight.kernel, bias, static, stride, padding)
    from effbench.kernels.conv2d_w8a8 import gpu

    y: torch.Tensor = gpu.conv2d_w8a8(x, weight.plain(), weight.kernel, bias, static, stride, padding)
    return y
