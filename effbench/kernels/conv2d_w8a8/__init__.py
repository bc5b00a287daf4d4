"""Convolution with 8-bit weights and 8-bit activations of one static range; padding is the code of 0.

``pack_conv_w8a8`` puts the codes of a kernel in order once, ``conv2d_w8a8`` quantizes, multiplies and finishes in one call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from effbench.kernels.codes import StaticRange

if TYPE_CHECKING:
    import torch

    from effbench.kernels.codes import QuantizedWeight
    from effbench.kernels.conv2d_w8a8.packing import PackedConvW8

LEAST_SCALE = 2.0**-126
"""The smallest normal float32, whose reciprocal is one as well."""
Implementation = Literal["auto", "reference", "cpu", "triton"]


def pack_conv_w8a8(weight: QuantizedWeight, kernel: tuple[int, int]) -> PackedConvW8:
    """Return the codes of a kernel [O, I, KH, KW], given as those of a weight [O, I * KH * KW], packed on their device.

    On the CPU the functions that read them are compiled by the way, if no process did so before. Raises ``ValueError`` for
    more than one scale a channel, and for so many inputs that a sum may exceed 32 bits.
    """
    from effbench.kernels.conv2d_w8a8 import cpu, packing

    packed = packing.pack_conv_w8a8(weight, kernel)
    if packed.isa is not None:
        cpu.kernels(packed.isa)
    return packed


def conv2d_w8a8(
    x: torch.Tensor,
    weight: PackedConvW8,
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    impl: Implementation = "auto",
) -> torch.Tensor:
    """Return the convolution of x [B, I, H, W] with a packed kernel [O, I, KH, KW] as [B, O, H', W'] float32.

    ``impl`` "auto" is "triton" for CUDA tensors and "cpu" for float32 ones on the CPU. Raises ``ValueError`` for operands that
    do not fit each other, groups of channels, a range without a code for 0 or with more bits than the instruction set
    multiplies exactly, and for an x that is not finite.
    """
    _check(x, weight, bias, static, stride, padding)
    chosen = _chosen(x, impl)
    if chosen == "reference":
        from effbench.kernels.conv2d_w8a8 import reference

        return reference.conv2d_w8a8(x, weight.plain(), weight.kernel, bias, static, stride, padding)
    if chosen == "triton":
        from effbench.kernels.conv2d_w8a8 import gpu

        on_gpu: torch.Tensor = gpu.conv2d_w8a8(x, weight.plain(), weight.kernel, bias, static, stride, padding)
        return on_gpu
    from effbench.kernels.conv2d_w8a8 import cpu

    return cpu.conv2d_w8a8(x, weight, bias, static, stride, padding)


def _chosen(x: torch.Tensor, impl: Implementation) -> str:
    """Return the implementation that runs; raise ``ValueError`` where it cannot take this x."""
    device, kind = x.device.type, str(x.dtype).removeprefix("torch.")
    on_cpu = device == "cpu" and kind == "float32"
    if impl == "auto":
        if device != "cuda" and not on_cpu:
            raise ValueError(f"conv2d_w8a8 takes CUDA tensors, or float32 on the CPU, got {kind} on {device}")
        return "triton" if device == "cuda" else "cpu"
    if impl not in ("reference", "cpu", "triton"):
        raise ValueError(f"impl is auto, reference, cpu or triton, got {impl!r}")
    if impl == "cpu" and not on_cpu:
        raise ValueError(f"conv2d_w8a8 on the CPU takes float32 tensors there, got {kind} on {device}")
    return impl


def _check(
    x: torch.Tensor,
    weight: PackedConvW8,
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> None:
    if x.ndim != 4 or not x.shape[2] * x.shape[3]:
        raise ValueError(f"conv2d_w8a8 takes images [B, I, H, W] of a pixel at least, got {list(x.shape)}")
    if x.shape[1] != weight.inputs:
        raise ValueError(
            f"x has {x.shape[1]} channels and the kernel {weight.inputs} inputs; groups of channels are not supported"
        )
    if weight.codes.device != x.device:
        raise ValueError(f"x is on {x.device}, the kernel was packed on {weight.codes.device}")
    if bias is not None and (list(bias.shape) != [weight.outputs] or str(bias.dtype) not in ("torch.float32", str(x.dtype))):
        raise ValueError(f"a bias is [{weight.outputs}] float32, got {list(bias.shape)} {bias.dtype}")
    if min(stride) < 1 or min(padding) < 0:
        raise ValueError(f"a stride is 1 at least and a padding 0, got {stride} and {padding}")
    if any(x.shape[2 + axis] + 2 * padding[axis] < weight.kernel[axis] for axis in (0, 1)):
        raise ValueError(f"a kernel {weight.kernel} is larger than an image {tuple(x.shape[2:])} padded by {padding}")
    check_range(static)


def check_range(static: StaticRange) -> None:
    """Raise ``ValueError`` for a range whose codes are no uint8, have none for 0 or no float32 between them."""
    if not 2 <= static.bits <= 8 or not 0 <= static.zero < 2**static.bits:
        raise ValueError(f"a static range has 2 to 8 bits and a zero point among its codes, got {static}")
    if not LEAST_SCALE <= static.scale <= 1 / LEAST_SCALE:
        raise ValueError(f"the scale of a static range is a positive float32 that has a reciprocal, got {static.scale}")
