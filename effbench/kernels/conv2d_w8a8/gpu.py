"""W8A8 convolution on a GPU: images become codes with channels innermost, then one product without an im2col in memory.

Row m of the product is an output pixel, its inputs are the taps of the kernel times the channels; what lies outside the
image is read as the zero point, the code of 0.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.gpu_launch import Options, capability_of, check_operands, launch, tl, triton
from effbench.kernels.gpu_rows import INFINITY, code_of
from effbench.kernels.gpu_tiles import ProductTile, tile_for, tile_of
from effbench.kernels.gpu_weights import GpuWeight, convolution_weight
from effbench.kernels.linear_w8a8.gpu import signed

PIXELS, CHANNELS = 64, 32
"""What one program of the quantization turns around in registers."""


def conv2d_w8a8(
    x: torch.Tensor,
    weight: QuantizedWeight | GpuWeight,
    kernel: tuple[int, int],
    bias: torch.Tensor | None,
    static: StaticRange,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
    *,
    dtype: torch.dtype = torch.float32,
    tile: ProductTile | None = None,
) -> torch.Tensor:
    """Return the convolution of x [B, I, H, W] (fp32, fp16 or bf16) with a kernel [O, I, KH, KW] as [B, O, H', W'].

    The result has its channels innermost in memory. An image with a number that is not finite comes out as NaN, where the
    reference raises: to raise, a GPU would have to wait. Raises ``ValueError`` for operands that do not fit one another.
    """
    operand = weight if isinstance(weight, GpuWeight) else convolution_weight(weight, kernel)
    device = check_operands("conv2d_w8a8", x, operand.codes, bias)
    outputs, inputs = operand.codes.shape
    taps = kernel[0] * kernel[1]
    if x.ndim != 4 or x.shape[1] * taps != inputs or (bias is not None and bias.shape != (outputs,)):
        raise ValueError(
            f"conv2d_w8a8: x {list(x.shape)} and a bias {None if bias is None else list(bias.shape)} do not fit a kernel "
            f"{kernel[0]} x {kernel[1]} of {inputs} codes for each of {outputs} outputs"
        )
    images, channels, height, width = x.shape
    out_height = (height + 2 * padding[0] - kernel[0]) // stride[0] + 1
    out_width = (width + 2 * padding[1] - kernel[1]) // stride[1] + 1
    if out_height < 1 or out_width < 1:
        raise ValueError(
            f"conv2d_w8a8: a kernel {kernel} does not fit into {height} x {width} pixels padded by {padding}"
        )
    codes, image_scale = _image_codes(x, static)
    shape = (images, outputs, out_height, out_width)
    y = torch.empty(shape, dtype=dtype, device=device, memory_format=torch.channels_last)
    many = images * out_height * out_width
    tile = tile or tile_for("conv2d_w8a8", capability_of(device), many, aligned=channels % 16 == 0)
    launch(
        _conv2d_w8a8, tile.grid(many, outputs), tile.options, codes=codes, image_scale=image_scale, weight=operand.codes,
        weight_scale=operand.scale, weight_sums=operand.sums, bias=bias, y=y, zero=static.zero, M=many, N=outputs,
        channels=channels, height=height, width=width, out_height=out_height, out_width=out_width, KERNEL_W=kernel[1],
        TAPS=taps, STRIDE_H=stride[0], STRIDE_W=stride[1], PADDING_H=padding[0], PADDING_W=padding[1],
        EVEN_CHANNELS=channels % tile.block_k == 0, **tile.constants(),
    )  # fmt: skip
    record_kernel("conv2d_w8a8/triton", x, weight, kernel, bias, static, stride, padding, out=y)
    return y


def _image_codes(x: torch.Tensor, static: StaticRange) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the codes [B, H, W, I] uint8 of images, and the scale [B] float32 of each: NaN where it is not finite."""
    images, channels, height, width = x.shape
    codes = torch.empty((images, height, width, channels), dtype=torch.uint8, device=x.device)
    blocks = triton.cdiv(height * width, PIXELS), triton.cdiv(channels, CHANNELS)
    finite = torch.zeros((images, blocks[0] * blocks[1]), dtype=torch.int32, device=x.device)
    launch(
        _quantize_images, (blocks[0], blocks[1], images), Options(num_warps=4), x=x, codes=codes, finite=finite,
        scale=static.scale, zero=float(static.zero), channels=channels, pixels=height * width, width=width,
        image_stride=x.stride(0), channel_stride=x.stride(1), row_stride=x.stride(2), column_stride=x.stride(3),
        TOP=2**static.bits - 1, PIXELS=PIXELS, CHANNELS=CHANNELS,
    )  # fmt: skip
    scale = torch.full((images,), static.scale, device=x.device)
    return codes, scale.masked_fill_(finite.amin(1) == 0, torch.nan)


@triton.jit
def _quantize_images(
    x, codes, finite, scale, zero, channels, pixels, width, image_stride, channel_stride, row_stride, column_stride,
    TOP: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(2).to(tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    valid = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    place = image * image_stride + (pixel // width) * row_stride + (pixel % width) * column_stride
    numbers = tl.load(x + place[:, None] + channel[None, :] * channel_stride, mask=valid, other=0.0).to(tl.float32)
    good = tl.where(tl.abs(numbers) < INFINITY, 1, 0)
    code = tl.where(good == 1, code_of(numbers, scale, zero, TOP), 0.0).to(tl.uint8)
    tl.store(codes + (image * pixels + pixel)[:, None] * channels + channel[None, :], code, mask=valid)
    block = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    tl.store(finite + image * tl.num_programs(0) * tl.num_programs(1) + block, tl.min(tl.min(good, 1), 0))


@triton.jit(do_not_specialize=["zero"])
def _conv2d_w8a8(
    codes, image_scale, weight, weight_scale, weight_sums, bias, y, zero, M, N, channels, height, width, out_height,
    out_width, KERNEL_W: tl.constexpr, TAPS: tl.constexpr, STRIDE_H: tl.constexpr, STRIDE_W: tl.constexpr,
    PADDING_H: tl.constexpr, PADDING_W: tl.constexpr, EVEN_CHANNELS: tl.constexpr, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    tile_m, tile_n = tile_of(tl.program_id(0), M, N, BLOCK_M, BLOCK_N)
    m, n, k = tile_m * BLOCK_M + tl.arange(0, BLOCK_M), tile_n * BLOCK_N + tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_K)
    pixel, channel = m % M, n % N
    image = (pixel // (out_height * out_width)).to(tl.int64)
    top = pixel // out_width % out_height * STRIDE_H - PADDING_H
    left = pixel % out_width * STRIDE_W - PADDING_W
    x_at = codes + image * (height * width * channels)
    w_at = weight + channel.to(tl.int64) * (TAPS * channels)
    blank = zero.to(tl.uint8)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
    blocks = tl.cdiv(channels, BLOCK_K)
    for step in range(TAPS * blocks):
        tap = step // blocks
        inputs = step % blocks * BLOCK_K + k
        row, column = top + tap // KERNEL_W, left + tap % KERNEL_W
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        x_tile = (x_at + (row * width + column) * channels)[:, None] + inputs[None, :]
        w_tile = (w_at + tap * channels)[None, :] + inputs[:, None]
        if EVEN_CHANNELS:
            x, w = tl.load(x_tile, mask=inside[:, None], other=blank), tl.load(w_tile)
        else:
            some = inputs < channels
            x = tl.load(x_tile, mask=inside[:, None] & some[None, :], other=blank)
            w = tl.load(w_tile, mask=some[:, None], other=0)
        total = tl.dot(signed(x), w, total)
    # As in linear_w8a8: every tap counts, since what lies outside the image was read as the zero point.
    total -= (zero - 128) * tl.load(weight_sums + channel)[None, :]
    found = total.to(tl.float32) * tl.load(image_scale + image)[:, None] * tl.load(weight_scale + channel)[None, :]
    if bias is not None:
        found += tl.load(bias + channel).to(tl.float32)[None, :]
    tl.store(y + m.to(tl.int64)[:, None] * N + n[None, :], found, mask=(m < M)[:, None] & (n < N)[None, :])
