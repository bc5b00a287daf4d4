"""The CPU's convolution: an image is quantized and laid out once, then multiplied, on torch's threads."""

from __future__ import annotations

import ctypes
import struct
from functools import cache, lru_cache
from typing import NamedTuple

import torch

from effbench.kernels import isa as instruction_sets
from effbench.kernels import record_kernel, threads
from effbench.kernels.codes import StaticRange
from effbench.kernels.conv2d_w8a8 import image, product
from effbench.kernels.conv2d_w8a8.packing import PackedConvW8
from effbench.kernels.emitter import Program
from effbench.kernels.machine_code import address_of

SLACK = 64
"""Bytes after whatever vectors write or read: those at an end go beyond it by less than one of them."""
CACHED_BYTES = 2**19
"""Quantized pixels that all channels go over before the next ones: a part of the smaller second-level caches."""
LEAST_SHARE = 2**16
"""Multiply-accumulates that are worth another thread."""


class Layout(NamedTuple):
    """How images of one size lie for one kernel: sizes in pixels unless said, ``offsets`` int32 of each step of a product."""

    height: int
    width: int
    direct: bool
    rows: int
    phases: int
    plane_pixels: int
    plane_width: int
    first_pixel: int
    group_bytes: int
    offsets: torch.Tensor


@lru_cache(maxsize=1024)
def layout(
    channels: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Layout:
    """Return how images [channels, H, W] of a size lie; see ``image.py``."""
    (height, width), (rows, columns) = size, result_size(size, kernel, stride, padding)
    direct = kernel == stride == (1, 1) and padding == (0, 0)
    phases = min(stride[0], kernel[0])
    copied = rows + (kernel[0] - 1) // stride[0]
    copies = kernel[1] * phases
    group_bytes = -(-(copies * copied * columns * 4 + SLACK) // SLACK) * SLACK
    plane_width = max(padding[1] + width, (columns - 1) * stride[1] + kernel[1])
    plane_height = max(padding[0] + height, copied * stride[0])
    groups = -(-channels // image.GROUP)
    taps = [
        (((column * phases + row % stride[0]) * copied + row // stride[0]) * columns) * 4
        for column in range(kernel[1])
        for row in range(kernel[0])
    ]
    offsets = torch.tensor(taps) + torch.arange(groups)[:, None] * group_bytes
    if offsets[-1].max() >= 2**31 - SLACK:
        raise ValueError(f"an image of {channels} x {height} x {width} is too large for offsets of 32 bits")
    return Layout(
        1 if direct else height,
        height * width if direct else width,
        direct,
        copied,
        phases,
        plane_height * plane_width,
        plane_width,
        padding[0] * plane_width + padding[1],
        group_bytes,
        offsets.flatten().to(torch.int32),
    )


def result_size(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]
) -> tuple[int, int]:
    """Return H' and W'."""
    height, width = ((size[i] + 2 * padding[i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
    return height, width


@cache
def kernels(name: str) -> tuple[threads.Kernel, threads.Kernel]:
    """Return what quantizes and what multiplies, compiled for an instruction set."""
    isa = instruction_sets.named(name)
    program = Program()
    image.write(program, "quantize_image", isa.lanes)
    quantize = threads.Kernel(address_of("quantize_image", program.text(), isa), len(image.FIELDS))
    program = Program()
    product.write(program, "multiply_image", isa.name, isa.lanes)
    return quantize, threads.Kernel(address_of("multiply_image", program.text(), isa), len(product.FIELDS))


def _bits(*values: float) -> tuple[int, ...]:
    """Return float32 numbers as what a job's fields hold of them."""
    return struct.unpack(f"{len(values)}I", struct.pack(f"{len(values)}f", *values))


def conv2d_w8a8(
    x: torch.Tensor,
    weight: PackedConvW8,
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
) -> torch.Tensor:
    """Return the convolution of x [B, I, H, W] float32 as [B, O, H', W'] float32, contiguous.

    Raises ``ValueError`` where x is not finite or the codes are wider than the instruction set multiplies exactly.
    """
    assert weight.isa is not None, "packed for another device"
    isa = instruction_sets.named(weight.isa)
    if static.bits > isa.activation_bits:
        raise ValueError(
            f"{isa.name} multiplies codes of {isa.activation_bits} bits exactly, got a static range of {static.bits}"
        )
    images, channels, height, width = x.shape
    laid = layout(channels, (height, width), weight.kernel, stride, padding)
    rows, columns = result_size((height, width), weight.kernel, stride, padding)
    y = x.new_empty(images, weight.outputs, rows, columns)
    if not images:
        return y
    x = x.contiguous()
    pixels, steps = rows * columns, len(laid.offsets)
    work = images * pixels * weight.outputs * steps * image.GROUP
    team = max(1, min(torch.get_num_threads(), work // LEAST_SHARE))
    plane_bytes = -(-(laid.plane_pixels * 4 + SLACK) // SLACK) * SLACK
    groups = -(-channels // image.GROUP)
    copies_bytes = images * groups * laid.group_bytes + SLACK
    scratch = torch.empty(copies_bytes + team * plane_bytes + 2 * SLACK, dtype=torch.uint8)
    copies = -(-scratch.data_ptr() // SLACK) * SLACK
    not_finite = ctypes.c_int32(0)
    scale = ctypes.c_float(static.scale).value
    top = 2**static.bits - 1
    quantize, multiply = kernels(isa.name)
    quantize.run(
        team,
        x.data_ptr(), images, channels, laid.height, laid.width,
        copies, laid.group_bytes, copies + copies_bytes, plane_bytes, laid.plane_pixels, laid.plane_width, laid.first_pixel,
        weight.kernel[1], laid.phases, laid.rows, columns, *stride, laid.direct,
        *_bits(1 / scale, -static.zero, top - static.zero), static.zero, ctypes.addressof(not_finite),
    )  # fmt: skip
    if not_finite.value:
        raise ValueError("a static range quantizes finite numbers only; got NaN or infinity")
    tile = product.TILES[isa.name]
    size = isa.lanes * tile.vectors
    parts = -(-pixels // size)
    at_once = max(1, CACHED_BYTES * parts // (groups * laid.group_bytes))
    blocks = len(weight.sums) // tile.channels
    added = torch.zeros(weight.outputs) if bias is None else bias.contiguous()
    multiply.run(
        team,
        copies, groups * laid.group_bytes, weight.codes.data_ptr(), weight.codes.nbytes // blocks, steps,
        laid.offsets.data_ptr(), static.zero, weight.sums.data_ptr(), weight.scales.data_ptr(), *_bits(scale),
        added.data_ptr(), y.data_ptr(), images, weight.outputs, pixels, blocks, parts, min(at_once, parts),
    )  # fmt: skip
    record_kernel(f"conv2d_w8a8/{isa.name}", x, weight, bias, static, stride, padding, out=y)
    return y
