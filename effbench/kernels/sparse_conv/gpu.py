"""Sparse convolution on a GPU: a program holds a tile of outputs, gathers the inputs of one tap after another and multiplies.

A tap that no output of the tile has is left out. The gradient of a weight is summed over a few parts of the outputs, and the
parts are then added in their order: no atomics, so that it comes out the same each time. The maps are the processor's.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

from typing import NamedTuple

import torch

from effbench.kernels.gpu_launch import INTERPRETED, Options, check_operands, launch, tl, triton
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import taps
from effbench.kernels.sparse_conv.kernel_map import KernelMap

TYPES = (torch.float32, torch.float16, torch.bfloat16)
"""What tensor cores multiply; sums are float32."""
PARTS = 16
"""Most parts of the outputs that the gradient of a weight is summed over side by side. Not timed on a card."""
PART = 256
"""Fewest outputs of a part."""

FOLLOWS = False
"""Whether a bias and ReLU are part of ``convolve``."""


class SparseTile(NamedTuple):
    """Outputs, output channels and input channels of one step of a program, and how it is compiled.

    For the gradient of a weight: input channels, output channels and outputs.
    """

    block_m: int
    block_n: int
    block_k: int
    options: Options

    def constants(self) -> dict[str, int]:
        """Return the constants of a kernel."""
        return {"BLOCK_M": self.block_m, "BLOCK_N": self.block_n, "BLOCK_K": self.block_k}


def sparse_tile(dtype: torch.dtype, aligned: bool) -> SparseTile:
    """Return the tile of a convolution or of a gradient; chosen so that no register spills, not by time."""
    if dtype == torch.float32:
        return SparseTile(32, 32, 32, Options(num_warps=4, num_stages=2))
    if not aligned:
        return SparseTile(32, 32, 32, Options(num_warps=4, num_stages=2))
    return SparseTile(64, 64, 32, Options(num_warps=4, num_stages=2))


ALONG = SparseTile(32, 32, 0, Options(num_warps=4))
"""Outputs and channels of a program of a depthwise convolution: no product, so that nothing has to fit tensor cores."""


def convolve(
    features: torch.Tensor, weight: torch.Tensor, found: KernelMap, groups: int, tile: SparseTile | None = None
) -> torch.Tensor:
    """Return the outputs [M, Cout] of features [N, Cin] and weight [taps, Cin / groups, Cout], in the features' dtype.

    Raises ``ValueError`` for float64, and for bf16 in Triton's interpreter.
    """
    depthwise = 1 < groups == features.shape[1] == weight.shape[2]
    if groups > 1 and not depthwise:
        return taps.convolve(features, weight, found, groups)
    table = _table(found, features)
    _check(features, weight, table)
    features, weight = features.contiguous(), weight.contiguous()
    (window, rows), (channels, outputs) = table.shape, (features.shape[1], weight.shape[2])
    y = torch.empty(rows, outputs, dtype=features.dtype, device=features.device)
    operands = {"x": features, "weight": weight, "table": table, "y": y, "rows": rows, "taps": window}
    if not len(features):
        return y.zero_()
    if depthwise:
        grid = (triton.cdiv(rows, ALONG.block_m) * triton.cdiv(outputs, ALONG.block_n),)
        constants = {"BLOCK_M": ALONG.block_m, "BLOCK_N": ALONG.block_n}
        launch(_depthwise, grid, ALONG.options, **operands, channels=outputs, **constants)
    else:
        unit = _unit(channels, outputs)
        tile = tile or sparse_tile(features.dtype, unit == 8)
        grid = (triton.cdiv(rows, tile.block_m) * triton.cdiv(outputs, tile.block_n),)
        sizes = {"channels": channels // unit, "outputs": outputs // unit, "UNIT": unit}
        launch(_sparse_conv, grid, tile.options, **operands, **sizes, **tile.constants())
    record_kernel("sparse_conv/triton", features, weight, found, groups, out=y)
    return y


def weight_gradient(
    features: torch.Tensor, gradient: torch.Tensor, found: KernelMap, groups: int, tile: SparseTile | None = None
) -> torch.Tensor:
    """Return the gradient [taps, Cin / groups, Cout] of a weight, given that of the outputs [M, Cout]."""
    depthwise = 1 < groups == features.shape[1] == gradient.shape[1]
    if groups > 1 and not depthwise:
        return taps.weight_gradient(features, gradient, found, groups)
    table = _table(found, features)
    _check(features, gradient, table)
    features, gradient = features.contiguous(), gradient.contiguous()
    (window, rows), (channels, outputs) = table.shape, (features.shape[1], gradient.shape[1])
    parts = max(1, min(PARTS, triton.cdiv(rows, PART)))
    sums = torch.empty(parts, window, channels // groups, outputs, dtype=torch.float32, device=features.device)
    if not rows or not len(features):
        return features.new_zeros(sums.shape[1:])
    operands = {"x": features, "gradient": gradient, "table": table, "sums": sums, "rows": rows, "taps": window}
    operands["part"] = triton.cdiv(rows, parts)
    if depthwise:
        grid = (parts * window * triton.cdiv(outputs, ALONG.block_n),)
        constants = {"BLOCK_K": ALONG.block_m, "BLOCK_N": ALONG.block_n}
        launch(_depthwise_gradient, grid, ALONG.options, **operands, channels=outputs, **constants)
    else:
        unit = _unit(channels, outputs)
        tile = tile or sparse_tile(features.dtype, unit == 8)
        grid = (parts * window * triton.cdiv(channels, tile.block_m) * triton.cdiv(outputs, tile.block_n),)
        sizes = {"channels": channels // unit, "outputs": outputs // unit, "UNIT": unit}
        launch(_sparse_gradient, grid, tile.options, **operands, **sizes, **tile.constants())
    result = sums.sum(0).to(features.dtype)
    record_kernel("sparse_conv/triton-gradient", features, gradient, found, groups, out=result)
    return result


def _check(x: torch.Tensor, other: torch.Tensor, table: torch.Tensor) -> None:
    device = check_operands("sparse_conv", x, other, table)
    if x.dtype not in TYPES:
        raise ValueError(f"sparse_conv: the Triton kernel takes float32, float16 or bfloat16, got {x.dtype}")
    if x.dtype == torch.bfloat16 and INTERPRETED and device.type == "cpu":
        raise ValueError("sparse_conv: Triton's interpreter multiplies bfloat16 wrongly; take float32 or float16 there")


def _table(found: KernelMap, features: torch.Tensor) -> torch.Tensor:
    return found.source_on(features.device)


def _unit(*widths: int) -> int:
    """Return 8 where all rows begin at multiples of 8 numbers: told in units of 8, that is known to the compiler."""
    return 8 if all(width % 8 == 0 for width in widths) else 1


@triton.jit
def _sparse_conv(
    x, weight, table, y, rows, taps, channels, outputs, UNIT: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write y [rows, outputs] = sum over taps of x[table[tap]] weight[tap]; widths are in units of UNIT numbers."""
    across = tl.cdiv(outputs * UNIT, BLOCK_N)
    row = (tl.program_id(0) // across) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = (tl.program_id(0) % across) * BLOCK_N + tl.arange(0, BLOCK_N)
    inner = tl.arange(0, BLOCK_K)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for tap in range(taps):
        given = tl.load(table + tl.cast(tap, tl.int64) * rows + row, mask=row < rows, other=-1)
        if tl.max(given, 0) >= 0:
            lines = x + given.to(tl.int64)[:, None] * channels * UNIT
            for first in range(0, channels * UNIT, BLOCK_K):
                channel = first + inner
                there = (given >= 0)[:, None] & (channel < channels * UNIT)[None, :]
                inputs = tl.load(lines + channel[None, :], mask=there, other=0.0)
                at = (tap * channels * UNIT + channel)[:, None] * outputs * UNIT + column[None, :]
                fits = (channel < channels * UNIT)[:, None] & (column < outputs * UNIT)[None, :]
                total = tl.dot(inputs, tl.load(weight + at, mask=fits, other=0.0), total, input_precision="tf32x3")
    place = y + row.to(tl.int64)[:, None] * outputs * UNIT + column[None, :]
    tl.store(place, total, mask=(row < rows)[:, None] & (column < outputs * UNIT)[None, :])


@triton.jit
def _sparse_gradient(
    x, gradient, table, sums, rows, taps, part, channels, outputs, UNIT: tl.constexpr, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    """Write sums [parts, taps, channels, outputs]: a part's share of the gradient of a weight."""
    across, down = tl.cdiv(outputs * UNIT, BLOCK_N), tl.cdiv(channels * UNIT, BLOCK_M)
    tile, outer = tl.program_id(0) % (across * down), tl.program_id(0) // (across * down)
    tap, begin = outer % taps, (outer // taps) * part
    channel = (tile // across) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = (tile % across) * BLOCK_N + tl.arange(0, BLOCK_N)
    end = tl.minimum(begin + part, rows)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for first in range(begin, end, BLOCK_K):
        row = first + tl.arange(0, BLOCK_K)
        given = tl.load(table + tl.cast(tap, tl.int64) * rows + row, mask=row < end, other=-1)
        if tl.max(given, 0) >= 0:
            there = (given >= 0)[:, None] & (channel < channels * UNIT)[None, :]
            inputs = tl.load(
                x + given.to(tl.int64)[:, None] * channels * UNIT + channel[None, :], mask=there, other=0.0
            )
            fits = (given >= 0)[:, None] & (column < outputs * UNIT)[None, :]
            at = gradient + row.to(tl.int64)[:, None] * outputs * UNIT + column[None, :]
            given_back = tl.load(at, mask=fits, other=0.0)
            total = tl.dot(tl.trans(inputs), given_back, total, input_precision="tf32x3")
    place = (outer.to(tl.int64) * channels * UNIT + channel)[:, None] * outputs * UNIT + column[None, :]
    tl.store(sums + place, total, mask=(channel < channels * UNIT)[:, None] & (column < outputs * UNIT)[None, :])


@triton.jit
def _depthwise(x, weight, table, y, rows, taps, channels, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr):
    """Write y [rows, channels] = sum over taps of x[table[tap]] * weight[tap]."""
    across = tl.cdiv(channels, BLOCK_N)
    row = (tl.program_id(0) // across) * BLOCK_M + tl.arange(0, BLOCK_M)
    column = (tl.program_id(0) % across) * BLOCK_N + tl.arange(0, BLOCK_N)
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for tap in range(taps):
        given = tl.load(table + tl.cast(tap, tl.int64) * rows + row, mask=row < rows, other=-1)
        there = (given >= 0)[:, None] & (column < channels)[None, :]
        inputs = tl.load(x + given.to(tl.int64)[:, None] * channels + column[None, :], mask=there, other=0.0)
        own = tl.load(weight + tap * channels + column, mask=column < channels, other=0.0)
        total += inputs.to(tl.float32) * own.to(tl.float32)[None, :]
    place = y + row.to(tl.int64)[:, None] * channels + column[None, :]
    tl.store(place, total, mask=(row < rows)[:, None] & (column < channels)[None, :])


@triton.jit
def _depthwise_gradient(
    x, gradient, table, sums, rows, taps, part, channels, BLOCK_K: tl.constexpr, BLOCK_N: tl.constexpr
):
    """Write sums [parts, taps, channels]: a part's share of the gradient of a depthwise weight."""
    across = tl.cdiv(channels, BLOCK_N)
    outer, column = tl.program_id(0) // across, (tl.program_id(0) % across) * BLOCK_N + tl.arange(0, BLOCK_N)
    tap, begin = outer % taps, (outer // taps) * part
    end = tl.minimum(begin + part, rows)
    total = tl.zeros((BLOCK_K, BLOCK_N), tl.float32)
    for first in range(begin, end, BLOCK_K):
        row = first + tl.arange(0, BLOCK_K)
        given = tl.load(table + tl.cast(tap, tl.int64) * rows + row, mask=row < end, other=-1)
        there = (given >= 0)[:, None] & (column < channels)[None, :]
        inputs = tl.load(x + given.to(tl.int64)[:, None] * channels + column[None, :], mask=there, other=0.0)
        given_back = tl.load(gradient + row.to(tl.int64)[:, None] * channels + column[None, :], mask=there, other=0.0)
        total += inputs.to(tl.float32) * given_back.to(tl.float32)
    tl.store(sums + outer.to(tl.int64) * channels + column, tl.sum(total, 0), mask=column < channels)
