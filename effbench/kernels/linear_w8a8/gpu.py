"""W8A8 linear layer on a GPU: int8 products in the tensor cores, summed in int32, scaled once at the end."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.codes import QuantizedRows, QuantizedWeight
from effbench.kernels.gpu_launch import capability_of, check_operands, launch, tl, triton
from effbench.kernels.gpu_tiles import ProductTile, tile_for, tile_of
from effbench.kernels.gpu_weights import GpuWeight, gpu_weight


def linear_w8a8(
    rows: QuantizedRows,
    weight: QuantizedWeight | GpuWeight,
    bias: torch.Tensor | None,
    *,
    gate: torch.Tensor | None = None,
    residual: torch.Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    tile: ProductTile | None = None,
) -> torch.Tensor:
    """Return the product y of quantized rows [..., I] with a weight [O, I] as [..., O], or ``residual + gate * y``.

    ``gate`` [B, O] belongs to rows [B, N, I], ``residual`` is [..., O]; they come together (adaLN-zero). Sums are exact,
    what follows is float32. Raises ``ValueError`` for operands that do not fit one another.
    """
    operand = weight if isinstance(weight, GpuWeight) else gpu_weight(weight)
    device = check_operands("linear_w8a8", rows.codes, operand.codes, bias, gate, residual)
    outputs, inputs = operand.codes.shape
    _check(rows, inputs, outputs, bias, gate, residual)
    codes = rows.codes.reshape(-1, inputs)
    y = torch.empty((*rows.codes.shape[:-1], outputs), dtype=dtype, device=device)
    many = len(codes)
    aligned = inputs % 16 == 0 and codes.stride(1) == 1
    tile = tile or tile_for("linear_w8a8", capability_of(device), many, aligned=aligned)
    launch(
        _linear_w8a8, tile.grid(many, outputs), tile.options, codes=codes, row_scale=rows.scale.reshape(-1),
        row_zero=rows.zero.reshape(-1), weight=operand.codes, weight_scale=operand.scale, weight_sums=operand.sums,
        bias=bias, gate=gate, residual=None if residual is None else residual.reshape(-1, outputs), y=y,
        M=many, N=outputs, K=inputs, rows_per_gate=1 if gate is None else max(many // len(gate), 1),
        codes_stride=codes.stride(0), codes_column_stride=codes.stride(1), weight_stride=operand.codes.stride(0),
        gate_stride=0 if gate is None else gate.stride(0),
        residual_stride=0 if residual is None else residual.reshape(-1, outputs).stride(0),
        EVEN_K=inputs % tile.block_k == 0, **tile.constants(),
    )  # fmt: skip
    record_kernel("linear_w8a8/triton", rows, weight, bias, out=y)
    return y


def _check(
    rows: QuantizedRows, inputs: int, outputs: int, bias: torch.Tensor | None, gate: torch.Tensor | None,
    residual: torch.Tensor | None,
) -> None:  # fmt: skip
    shape = rows.codes.shape
    if shape[-1] != inputs:
        raise ValueError(f"linear_w8a8: rows of {shape[-1]} codes do not fit a weight of {inputs} inputs")
    if bias is not None and bias.shape != (outputs,):
        raise ValueError(f"linear_w8a8: a bias {list(bias.shape)} does not fit {outputs} outputs")
    if (gate is None) != (residual is None):
        raise ValueError("linear_w8a8: a gate and a residual come together; one of them is missing")
    if gate is not None and residual is not None:
        if len(shape) != 3 or gate.shape != (shape[0], outputs) or residual.shape != (*shape[:-1], outputs):
            raise ValueError(
                f"linear_w8a8: a gate {list(gate.shape)} and a residual {list(residual.shape)} do not fit rows {list(shape)} "
                f"and {outputs} outputs; want [B, O] and [B, N, O] for [B, N, I]"
            )
        if gate.stride(1) != 1:
            raise ValueError("linear_w8a8: the numbers of a gate must lie beside one another")


@triton.jit
def signed(codes):
    """Return codes from 0 to 255 less 128, as the tensor cores take them."""
    return (codes ^ 128).to(tl.int8, bitcast=True)


@triton.jit
def _linear_w8a8(
    codes, row_scale, row_zero, weight, weight_scale, weight_sums, bias, gate, residual, y, M, N, K, rows_per_gate,
    codes_stride, codes_column_stride, weight_stride, gate_stride, residual_stride,
    EVEN_K: tl.constexpr, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    tile_m, tile_n = tile_of(tl.program_id(0), M, N, BLOCK_M, BLOCK_N)
    m, n, k = tile_m * BLOCK_M + tl.arange(0, BLOCK_M), tile_n * BLOCK_N + tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_K)
    # Rows and outputs beyond the end read those at the beginning, and are not written.
    row, channel = (m % M).to(tl.int64), (n % N).to(tl.int64)
    x_at = codes + row[:, None] * codes_stride + k[None, :] * codes_column_stride
    w_at = weight + channel[None, :] * weight_stride + k[:, None]
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
    for start in range(0, K, BLOCK_K):
        if EVEN_K:
            x, w = tl.load(x_at), tl.load(w_at)
        else:
            x = tl.load(x_at, mask=k[None, :] < K - start, other=0)
            w = tl.load(w_at, mask=k[:, None] < K - start, other=0)
        total = tl.dot(signed(x), w, total)
        x_at += BLOCK_K * codes_column_stride
        w_at += BLOCK_K
    # sum (q_x - z_x) q_w = sum (q_x - 128) q_w - (z_x - 128) sum q_w, exact in int32.
    zero = tl.load(row_zero + row) - 128
    total -= zero[:, None] * tl.load(weight_sums + channel)[None, :]
    found = total.to(tl.float32) * tl.load(row_scale + row)[:, None] * tl.load(weight_scale + channel)[None, :]
    if bias is not None:
        found += tl.load(bias + channel).to(tl.float32)[None, :]
    if gate is not None:
        of_row = tl.load(gate + (row // rows_per_gate)[:, None] * gate_stride + channel[None, :]).to(tl.float32)
        found = tl.load(residual + row[:, None] * residual_stride + channel[None, :]).to(tl.float32) + of_row * found
    tl.store(y + m.to(tl.int64)[:, None] * N + n[None, :], found, mask=(m < M)[:, None] & (n < N)[None, :])
