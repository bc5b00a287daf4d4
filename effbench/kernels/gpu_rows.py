"""What the kernels that make quantized rows share: one program holds one row, rotates it in registers and rounds it.

A row of C numbers lies in registers as outer x inner x power, each rounded up to a power of two, which is what Triton's
tensors are. Without a rotation that is 1 x 1 x C; with one, the factors of ``hadamard.reference`` (1152 = 12 x 12 x 8).
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch

from effbench.kernels.codes import QuantizedRows
from effbench.kernels.gpu_launch import Options, tl, triton
from effbench.kernels.hadamard.reference import PALEY_FACTORS, factors_of, paley

MOST_PLACES = 32768
"""Most numbers of a row, rounded up: 64 registers a thread of the largest program."""
INFINITY = tl.constexpr(float("inf"))
ROUNDER = tl.constexpr(12582912.0)
"""1.5 x 2^23: adding it to |x| < 2^22 leaves no bits for a fraction, so that x is rounded, ties to even."""
FARTHEST = tl.constexpr(1048576.0)
"""Steps from zero that are kept before rounding: within ROUNDER's reach, and beyond every code."""
LEAST_RANGE = tl.constexpr(1e-30)
"""As in ``quantize_rows.reference``."""


class RowLayout(NamedTuple):
    """Constants of a kernel: the factors of a row of ``WIDTH`` numbers, and what they are rounded up to."""

    WIDTH: int
    OUTER: int
    INNER: int
    OUTER_PLACES: int
    INNER_PLACES: int
    POWER: int
    ROTATE: bool

    def options(self) -> Options:
        """Return the warps that hold a row: about 16 numbers a thread."""
        places = self.OUTER_PLACES * self.INNER_PLACES * self.POWER
        return Options(num_warps=4 if places <= 2048 else 8 if places <= 8192 else 16)


def row_layout(operation: str, width: int, rotate: bool) -> RowLayout:
    """Return how a row lies in registers; raise ``ValueError`` for rows that are too long, or have no rotation."""
    outer, inner, power = 1, 1, triton.next_power_of_2(width)
    if rotate:
        odd, power = factors_of(width)
        outer, inner = {0: (1, 1), 1: (1, *PALEY_FACTORS[odd]), 2: PALEY_FACTORS[odd]}[len(PALEY_FACTORS[odd])]
    places = triton.next_power_of_2(outer), triton.next_power_of_2(inner)
    if places[0] * places[1] * power > MOST_PLACES:
        raise ValueError(
            f"{operation}: a row of {width} numbers does not fit into one program; at most {MOST_PLACES} do"
        )
    return RowLayout(width, outer, inner, *places, power, rotate)


def paley_operands(layout: RowLayout, device: torch.device) -> dict[str, torch.Tensor | None]:
    """Return the arguments ``outer`` and ``inner`` of a kernel: the transposed matrices, None where none is needed."""
    return {
        name: _padded_paley(order, places, str(device)) if order > 1 else None
        for name, order, places in (
            ("outer", layout.OUTER, layout.OUTER_PLACES), ("inner", layout.INNER, layout.INNER_PLACES),
        )
    }  # fmt: skip


@cache
def _padded_paley(order: int, places: int, device: str) -> torch.Tensor:
    padded = torch.zeros(places, places)
    padded[:order, :order] = paley(order).T
    return padded.to(device)


def empty_rows(shape: torch.Size, device: torch.device) -> QuantizedRows:
    """Return memory for the codes of rows [..., C]."""
    counts: dict[str, Any] = {"dtype": torch.int32, "device": device}
    return QuantizedRows(
        torch.empty(shape, dtype=torch.uint8, device=device), torch.empty(shape[:-1], device=device),
        torch.empty(shape[:-1], **counts), torch.empty(shape[:-1], **counts),
    )  # fmt: skip


@triton.jit
def columns_of(
    WIDTH: tl.constexpr, OUTER: tl.constexpr, INNER: tl.constexpr, OUTER_PLACES: tl.constexpr, INNER_PLACES: tl.constexpr,
    POWER: tl.constexpr,
):  # fmt: skip
    """Return the column of each place of a row, and whether there is one."""
    place = tl.arange(0, OUTER_PLACES * INNER_PLACES * POWER)
    outer, inner = place // (INNER_PLACES * POWER), place // POWER % INNER_PLACES
    column = (outer * INNER + inner) * POWER + place % POWER
    return column, (outer < OUTER) & (inner < INNER) & (column < WIDTH)


@triton.jit
def _times_paley(matrix, x, ORDER: tl.constexpr, WIDE: tl.constexpr):
    """Return matrix [ORDER, ORDER] @ x [ORDER, WIDE]."""
    i = tl.arange(0, ORDER)
    signs = tl.load(matrix + i[:, None] * ORDER + i[None, :])
    # Of +-1 and float32 split into three, tensor cores lose nothing that float32 would keep.
    return tl.dot(signs, x, input_precision="tf32x3") if WIDE >= 16 else tl.sum(signs[:, :, None] * x[None, :, :], 1)


@triton.jit
def rotated(
    x, outer, inner, WIDTH: tl.constexpr, OUTER_PLACES: tl.constexpr, INNER_PLACES: tl.constexpr, POWER: tl.constexpr
):
    """Return x @ H / sqrt(C) of a row, place by place; what is no place of the row must be 0."""
    if OUTER_PLACES > 1:
        stacked = tl.reshape(x, (OUTER_PLACES, INNER_PLACES * POWER))
        x = tl.reshape(_times_paley(outer, stacked, OUTER_PLACES, INNER_PLACES * POWER), (x.shape[0],))
    if INNER_PLACES > 1:
        stacked = tl.permute(tl.reshape(x, (OUTER_PLACES, INNER_PLACES, POWER)), (1, 0, 2))
        stacked = tl.reshape(stacked, (INNER_PLACES, OUTER_PLACES * POWER))
        stacked = _times_paley(inner, stacked, INNER_PLACES, OUTER_PLACES * POWER)
        stacked = tl.permute(tl.reshape(stacked, (INNER_PLACES, OUTER_PLACES, POWER)), (1, 0, 2))
        x = tl.reshape(stacked, (OUTER_PLACES * INNER_PLACES * POWER,))
    # Butterflies: sums and differences of numbers 1, 2, 4, ... apart.
    for stage in tl.static_range(15):
        if 2**stage < POWER:
            pairs = tl.reshape(x, (x.shape[0] // 2 ** (stage + 1), 2, 2**stage))
            first, second = tl.split(tl.permute(pairs, (0, 2, 1)))
            joined = tl.permute(tl.join(first + second, first - second), (0, 2, 1))
            x = tl.reshape(joined, (x.shape[0],))
    return x * (1 / WIDTH**0.5)


@triton.jit
def code_of(x, scale, zero, TOP: tl.constexpr):
    """Return the code of a finite number as a float: rint(x * (1 / scale)) + zero, from 0 to TOP."""
    steps = tl.minimum(tl.maximum(x * tl.div_rn(1.0, scale), -FARTHEST), FARTHEST) + ROUNDER - ROUNDER
    return tl.minimum(tl.maximum(steps + zero, 0.0), TOP * 1.0)


@triton.jit
def write_row(
    x, column, valid, row, codes, scales, zeros, sums, WIDTH: tl.constexpr, TOP: tl.constexpr, SYMMETRIC: tl.constexpr
):
    """Write a row as codes from 0 to TOP under a scale of its own, as ``quantize_rows.reference`` says."""
    low = tl.minimum(tl.min(tl.where(valid, x, 0.0), 0), 0.0)
    high = tl.maximum(tl.max(tl.where(valid, x, 0.0), 0), 0.0)
    if SYMMETRIC:
        span, steps = tl.maximum(high, -low), (TOP - 1) / 2
    else:
        span, steps = high - low, TOP * 1.0
    scale = tl.where(span < LEAST_RANGE, 1.0, tl.div_rn(span, steps))
    zero = (TOP + 1) / 2 if SYMMETRIC else -low * tl.div_rn(1.0, scale) + ROUNDER - ROUNDER
    write_codes(x, column, valid, row, scale, zero, codes, scales, zeros, sums, WIDTH, TOP, SYMMETRIC)


@triton.jit
def write_codes(
    x, column, valid, row, scale, zero, codes, scales, zeros, sums, WIDTH: tl.constexpr, TOP: tl.constexpr,
    KEEP_ZERO: tl.constexpr,
):  # fmt: skip
    """Write a row as codes under a scale and zero point; one that is not finite gets scale NaN and codes 0."""
    finite = tl.min(tl.where(valid, tl.where(tl.abs(x) < INFINITY, 1, 0), 1), 0) == 1
    code = tl.where(valid & finite, code_of(x, scale, zero, TOP), 0.0).to(tl.int32)
    tl.store(codes + row * WIDTH + column, code.to(tl.uint8), mask=valid)
    tl.store(scales + row, tl.where(finite, scale, float("nan")))
    tl.store(zeros + row, tl.where(finite, zero, zero if KEEP_ZERO else 0.0).to(tl.int32))
    tl.store(sums + row, tl.sum(code, 0))
