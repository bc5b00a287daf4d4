"""The CPU's convolution: an image is quantized and laid out once, then multiplied, on torch's threads."""

from __future__ import annotations

import ctypes
import struct
import threading
from functools import cache, lru_cache
from typing import NamedTuple

import torch

from effbench.kernels import isa as instruction_sets
from effbench.kernels import record_kernel, threads
from effbench.kernels.codes import StaticRange
from effbench.kernels.conv2d_w8a8 import image, product
from effbench.kernels.conv2d_w8a8.geometry import Pair, check_range, result_size
from effbench.kernels.conv2d_w8a8.packing import PackedConvW8
from effbench.kernels.emitter import Program
from effbench.kernels.machine_code import address_of

SLACK = 64
"""Bytes after whatever vectors write or read: those at an end go beyond it by less than one of them."""
CACHED_BYTES = 2**19
"""Quantized pixels that all channels go over before the next ones: a part of the smaller second-level caches."""
LEAST_SHARE = {"avx512-vnni": 2**20, "avx2": 2**18, "portable": 2**16}
"""Multiply-accumulates that are worth another thread: what one does while a team of two begins and ends, about 3 us."""


class ConvPlan(NamedTuple):
    """What a call takes that is known before its tensors are: both jobs but for addresses, the ``offsets`` of each step."""

    image_fields: bytes
    product_fields: bytes
    offsets: torch.Tensor
    result: tuple[int, int, int, int]
    copies_bytes: int
    plane_bytes: int
    work: int


class Workspace(threading.local):
    """Memory that a thread's calls use one after the other: fresh memory costs more than what is done in it."""

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)
        self._size = self._address = 0

    def prepared(self, size: int) -> tuple[int, ctypes.c_int32]:
        """Return the address of ``size`` bytes, aligned to a cache line, and a flag that is 0."""
        if self._size < size:
            self._memory = torch.empty(size + SLACK, dtype=torch.uint8)
            self._size, self._address = size, _up(self._memory.data_ptr())
        self._flag.value = 0
        return self._address, self._flag


workspace = Workspace()


def _up(size: int) -> int:
    """Return the next whole number of cache lines."""
    return -(-size // SLACK) * SLACK


@cache
def kernels(name: str) -> tuple[threads.Kernel, threads.Kernel]:
    """Return what quantizes and what multiplies, compiled for an instruction set."""
    isa = instruction_sets.named(name)
    found = []
    for function, write, addresses in (
        ("quantize_image", image.write, image.ADDRESSES),
        ("multiply_image", product.write, product.ADDRESSES),
    ):
        program = Program()
        write(program, function, isa)
        found.append(threads.Kernel(address_of(function, program.text(), isa), len(addresses)))
    return found[0], found[1]


@lru_cache(maxsize=1024)
def plan(
    shape: tuple[int, ...],
    inputs: int,
    outputs: int,
    kernel: Pair,
    isa: str,
    static: StaticRange,
    stride: Pair,
    padding: Pair,
    cached_bytes: int,
) -> ConvPlan:
    """Return the plan for images of a shape, see ``image.py`` and ``product.py`` for what its fields mean.

    Raises ``ValueError`` for sizes and ranges that cannot be, for codes that are wider than the instruction set multiplies
    exactly, and for too large images.
    """
    rows, columns = result_size(shape, inputs, kernel, stride, padding)
    check_range(static)
    bits = instruction_sets.ACTIVATION_BITS[isa]
    if static.bits > bits:
        raise ValueError(f"{isa} multiplies codes of {bits} bits exactly, got a static range of {static.bits}")
    images, channels, height, width = shape
    is_same = stride == (1, 1) and (rows, columns) == (height, width) and padding[0] * width >= padding[1]
    phases = min(stride[0], kernel[0])
    copied = rows + (kernel[0] - 1) // stride[0]
    plane_width = max(padding[1] + width, (columns - 1) * stride[1] + kernel[1])
    plane_pixels = plane_width * max(padding[0] + height, copied * stride[0])
    plane_bytes = _up(plane_pixels * 4 + SLACK)
    group_bytes = _up(kernel[1] * phases * copied * columns * 4 + SLACK)
    groups = -(-channels // image.GROUP)
    taps = [
        (((column * phases + row % stride[0]) * copied + row // stride[0]) * columns) * 4
        for column in range(kernel[1])
        for row in range(kernel[0])
    ]
    if groups * group_bytes >= 2**31:
        raise ValueError(f"an image of {channels} x {height} x {width} is too large for offsets of 32 bits")
    offsets = (torch.tensor(taps) + torch.arange(groups)[:, None] * group_bytes).flatten().to(torch.int32)
    tile = product.TILES[isa]
    pixels, blocks = rows * columns, -(-outputs // tile.channels)
    parts = -(-pixels // (instruction_sets.named(isa).lanes * tile.vectors))
    at_once = min(parts, max(1, cached_bytes * parts // (groups * group_bytes)))
    scale = ctypes.c_float(static.scale).value
    top = 2**static.bits - 1
    return ConvPlan(
        threads.packed(
            images, channels, height, width, group_bytes, plane_bytes, plane_pixels,
            plane_width, *padding, kernel[1], phases, copied, columns, *stride, is_same,
            *_bits(1 / scale, -static.zero, top - static.zero), static.zero,
        ),
        threads.packed(
            groups * group_bytes, len(offsets) * tile.channels * image.GROUP, len(offsets), static.zero, *_bits(scale),
            images, outputs, pixels, blocks, parts, at_once,
        ),
        offsets,
        (images, outputs, rows, columns),
        images * groups * group_bytes + SLACK,
        plane_bytes,
        images * pixels * outputs * len(offsets) * image.GROUP,
    )  # fmt: skip


def _bits(*values: float) -> tuple[int, ...]:
    """Return float32 numbers as what a job's fields hold of them."""
    return struct.unpack(f"{len(values)}I", struct.pack(f"{len(values)}f", *values))


def conv2d_w8a8(
    x: torch.Tensor,
    weight: PackedConvW8,
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
) -> torch.Tensor:
    """Return the convolution of x [B, I, H, W] float32 as [B, O, H', W'] float32, contiguous.

    Raises ``ValueError`` where x is not finite or the codes are wider than the instruction set multiplies exactly.
    """
    isa = weight.isa
    assert isa is not None, "packed for another device"
    planned = plan(x.shape, weight.inputs, weight.outputs, weight.kernel, isa, static, stride, padding, CACHED_BYTES)
    y = torch.empty(planned.result)
    if not planned.work:
        return y
    source = x if x.is_contiguous() else x.contiguous()
    team = max(1, min(torch.get_num_threads(), planned.work // LEAST_SHARE[isa]))
    copies, flag = workspace.prepared(planned.copies_bytes + team * planned.plane_bytes)
    quantize, multiply = kernels(isa)
    quantize.run(
        team,
        *(source.data_ptr(), copies, copies + planned.copies_bytes, ctypes.addressof(flag)),
        tail=planned.image_fields,
    )
    if flag.value:
        raise ValueError("a static range quantizes finite numbers only; got NaN or infinity")
    added = torch.zeros(weight.outputs) if bias is None else bias.contiguous()
    multiply.run(
        team,
        copies,
        weight.codes.data_ptr(),
        weight.sums.data_ptr(),
        weight.scales.data_ptr(),
        added.data_ptr(),
        planned.offsets.data_ptr(),
        y.data_ptr(),
        tail=planned.product_fields,
    )
    record_kernel(f"conv2d_w8a8/{isa}", x, weight, bias, static, stride, padding, out=y)
    return y
