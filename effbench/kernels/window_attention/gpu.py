"""Banded attention on a GPU: a program holds a block of rows and goes over the keys of its band alone.

For full attention and what a band leaves out of it, it goes over all keys once. Those outside the band have a maximum, a sum
and a result of their own, so that a product is made once and belongs to one of the two; full attention is both joined. Only
the keys at the two rims of a block's band, which some of its rows see and others do not, are multiplied for either.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import math

import torch

from effbench.kernels import record_kernel
from effbench.kernels.gpu_launch import INTERPRETED, capability_of, check_operands, launch, tl, triton
from effbench.kernels.gpu_rows import INFINITY
from effbench.kernels.gpu_tiles import AttentionTile, attention_tile

WIDEST_HEAD = 128
"""A row of q, k and v, rounded up to a power of two, lies in registers."""
LOG2_E = math.log2(math.e)
"""Of the scale: exponentials are powers of 2."""


def window_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    residual: torch.Tensor | None = None,
    scale: float | None = None,
    *,
    tile: AttentionTile | None = None,
) -> torch.Tensor:
    """Return attention of q, k, v [B, H, N, D] (fp32, fp16 or bf16) inside the band, plus ``residual``, in the dtype of q.

    Sums are float32. Raises ``ValueError`` for heads wider than 128, and for bf16 in Triton's interpreter.
    """
    operation = "window_attention"
    device = check_operands(operation, q, k, v, residual)
    _check_heads(operation, q, device)
    y = _empty_like(q, device)
    _launch(False, q, k, v, half_width, scale, tile, y=y, residual=residual)
    record_kernel("window_attention/triton", q, k, v, half_width, residual, out=y)
    return y


def attention_with_residual(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    scale: float | None = None,
    *,
    tile: AttentionTile | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (full, full - banded) attention, each [B, H, N, D] in the dtype of q; their difference is taken in float32.

    Raises ``ValueError`` as ``window_attention`` does.
    """
    operation = "attention_with_residual"
    device = check_operands(operation, q, k, v)
    _check_heads(operation, q, device)
    y, residual = (_empty_like(q, device) for _ in range(2))
    _launch(True, q, k, v, half_width, scale, tile, y=y, residual=residual)
    record_kernel("window_attention/triton-residual", q, k, v, half_width, out=(y, residual))
    return y, residual


def _empty_like(q: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return memory for a result [B, H, N, D] whose heads lie beside one another, as the layer behind it reads them."""
    batch, heads, tokens, width = q.shape
    return torch.empty(batch, tokens, heads, width, dtype=q.dtype, device=device).transpose(1, 2)


def _check_heads(operation: str, q: torch.Tensor, device: torch.device) -> None:
    if not 0 < q.shape[-1] <= WIDEST_HEAD:
        raise ValueError(f"{operation}: heads of {q.shape[-1]} numbers; the Triton kernel takes 1 to {WIDEST_HEAD}")
    if q.dtype == torch.bfloat16 and INTERPRETED and device.type == "cpu":
        raise ValueError(
            f"{operation}: Triton's interpreter multiplies bfloat16 wrongly; take float32 or float16 there"
        )


def _launch(
    full: bool, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, half_width: int, scale: float | None,
    tile: AttentionTile | None, **rows: torch.Tensor | None,
) -> None:  # fmt: skip
    batch, heads, tokens, width = q.shape
    operands = {"q": q, "k": k, "v": v} | rows
    strides = {
        f"{name}_{axis}": 0 if x is None else x.stride(place)
        for name, x in operands.items()
        for place, axis in enumerate(("batch", "head", "row"))
    }
    # A stride that is told in units of 8 numbers is known to keep rows at multiples of 16 bytes, even where it is 72.
    unit = 8 if all(stride % 8 == 0 for stride in strides.values()) else 1
    if tile is None:
        aligned = unit == 8 and width % 8 == 0
        tile = attention_tile(capability_of(q.device), q.dtype, aligned=aligned, states=2 if full else 1)
    launch(
        _window_attention, (batch * heads * triton.cdiv(tokens, tile.block_m),), tile.options, **operands,
        **{name: stride // unit for name, stride in strides.items()}, N=tokens, heads=heads,
        half_width=min(half_width, tokens), scale=LOG2_E * (width**-0.5 if scale is None else scale), FULL=full,
        WIDTH=width, WIDTH_PLACES=max(16, triton.next_power_of_2(width)), UNIT=unit, **tile.constants(),
    )  # fmt: skip


@triton.jit
def _at(x, program, first, x_batch, x_head, x_row, heads, UNIT: tl.constexpr):
    """Return the address of row ``first`` of a program's head."""
    head, item = (program % heads).to(tl.int64), (program // heads).to(tl.int64)
    return x + (item * x_batch + head * x_head + first.to(tl.int64) * x_row) * UNIT


@triton.jit
def _tile(x, rows, x_row, column, UNIT: tl.constexpr):
    """Return the addresses of rows and columns from a row on."""
    return x + (rows * x_row * UNIT)[:, None] + column[None, :]


@triton.jit
def _over_keys(
    total, sums, most, queries, k, v, row, start, end, k_row, v_row, N, half_width, scale, SIDE: tl.constexpr,
    BLOCK_N: tl.constexpr, WIDTH: tl.constexpr, WIDTH_PLACES: tl.constexpr, UNIT: tl.constexpr,
):  # fmt: skip
    """Add the keys from ``start`` to ``end`` to a state of the online softmax, in powers of 2.

    ``SIDE`` 0 takes those inside each row's band, -1 those before it, 1 those behind it.
    """
    place, column = tl.arange(0, BLOCK_N), tl.arange(0, WIDTH_PLACES)
    for first in range(start, end, BLOCK_N):
        key = first + place
        there = (key < N)[:, None] & (column < WIDTH)[None, :]
        forward = tl.cast(first, tl.int64) * UNIT
        keys = tl.load(_tile(k + forward * k_row, place, k_row, column, UNIT), mask=there, other=0.0)
        scores = tl.dot(queries, tl.trans(keys), input_precision="tf32x3") * scale
        ahead = key[None, :] - row[:, None]
        if SIDE < 0:
            seen = ahead < -half_width
        elif SIDE > 0:
            seen = ahead > half_width
        else:
            seen = (ahead >= -half_width) & (ahead <= half_width)
        scores = tl.where(seen & (key < N)[None, :], scores, -INFINITY)
        larger = tl.maximum(most, tl.max(scores, 1))
        base = tl.where(larger == -INFINITY, 0.0, larger)  # a row that has seen no key yet
        weights = tl.exp2(scores - base[:, None])
        kept = tl.exp2(most - base)
        sums = sums * kept + tl.sum(weights, 1)
        values = tl.load(_tile(v + forward * v_row, place, v_row, column, UNIT), mask=there, other=0.0)
        total = tl.dot(weights.to(values.dtype), values, total * kept[:, None], input_precision="tf32x3")
        most = larger
    return total, sums, most


@triton.jit
def _window_attention(
    q, k, v, residual, y, q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, residual_batch,
    residual_head, residual_row, y_batch, y_head, y_row, N, heads, half_width, scale, FULL: tl.constexpr,
    WIDTH: tl.constexpr, WIDTH_PLACES: tl.constexpr, UNIT: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr,
):  # fmt: skip
    """Write banded attention plus ``residual``, if any, to y; if ``FULL``, full attention to y, the rest to ``residual``."""
    tiles = tl.cdiv(N, BLOCK_M)
    program, begin = tl.program_id(0) // tiles, tl.program_id(0) % tiles * BLOCK_M
    place, column = tl.arange(0, BLOCK_M), tl.arange(0, WIDTH_PLACES)
    row = begin + place
    there = (row < N)[:, None] & (column < WIDTH)[None, :]
    q = _at(q, program, begin, q_batch, q_head, q_row, heads, UNIT)
    queries = tl.load(_tile(q, place, q_row, column, UNIT), mask=there, other=0.0)
    k = _at(k, program, begin * 0, k_batch, k_head, k_row, heads, UNIT)
    v = _at(v, program, begin * 0, v_batch, v_head, v_row, heads, UNIT)
    y = _at(y, program, begin, y_batch, y_head, y_row, heads, UNIT)
    zero = tl.zeros((BLOCK_M, WIDTH_PLACES), tl.float32)
    none, never = tl.zeros((BLOCK_M,), tl.float32), tl.full((BLOCK_M,), -INFINITY, tl.float32)
    low, high = tl.maximum(begin - half_width, 0), tl.minimum(begin + BLOCK_M + half_width, N)
    inner, inner_sums, inner_most = _over_keys(
        zero, none, never, queries, k, v, row, low, high, k_row, v_row, N, half_width, scale, 0, BLOCK_N, WIDTH,
        WIDTH_PLACES, UNIT,
    )  # fmt: skip
    inner_sums = tl.where(row < N, inner_sums, 1.0)  # what is no row may have seen no key
    banded = inner / inner_sums[:, None]
    if residual is not None:
        residual = _at(residual, program, begin, residual_batch, residual_head, residual_row, heads, UNIT)
        residual = _tile(residual, place, residual_row, column, UNIT)
    if FULL:
        before, behind = tl.minimum(begin + BLOCK_M - 1 - half_width, N), begin + half_width + 1
        outer, sums, most = _over_keys(
            zero, none, never, queries, k, v, row, 0, before, k_row, v_row, N, half_width, scale, -1, BLOCK_N, WIDTH,
            WIDTH_PLACES, UNIT,
        )  # fmt: skip
        outer, sums, most = _over_keys(
            outer, sums, most, queries, k, v, row, behind, N, k_row, v_row, N, half_width, scale, 1, BLOCK_N, WIDTH,
            WIDTH_PLACES, UNIT,
        )  # fmt: skip
        base = tl.where(row < N, tl.maximum(inner_most, most), 0.0)
        ours, others = tl.exp2(inner_most - base), tl.exp2(most - base)
        full = (inner * ours[:, None] + outer * others[:, None]) / (inner_sums * ours + sums * others)[:, None]
        tl.store(residual, full - banded, mask=there)
        banded = full
    elif residual is not None:
        banded += tl.load(residual, mask=there, other=0.0).to(tl.float32)
    tl.store(_tile(y, place, y_row, column, UNIT), banded, mask=there)
