"""Linear layer with packed 4-bit weights and 8-bit activations on a GPU: bytes are taken apart in registers.

It reads half the weight bytes of ``linear_w8a8``; where products bound the time it saves none.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.codes import QuantizedRows, QuantizedWeight
from effbench.kernels.gpu_launch import capability_of, check_operands, launch, tl, triton
from effbench.kernels.gpu_tiles import ProductTile, tile_for, tile_of
from effbench.kernels.gpu_weights import PackedGpuWeight, packed_gpu_weight
from effbench.kernels.linear_w8a8.gpu import signed


def linear_w4a8(
    rows: QuantizedRows,
    weight: QuantizedWeight | PackedGpuWeight,
    bias: torch.Tensor | None,
    *,
    dtype: torch.dtype = torch.float32,
    tile: ProductTile | None = None,
) -> torch.Tensor:
    """Return the product of quantized rows [..., I] with a weight [O, I] of 4-bit codes as [..., O].

    Sums are exact within a group (within a channel where it has one scale); what follows is float32. Raises ``ValueError``
    for operands that do not fit one another and for groups of other sizes than 32, 64 or multiples of 128.
    """
    packed = weight if isinstance(weight, PackedGpuWeight) else packed_gpu_weight(weight)
    device = check_operands("linear_w4a8", rows.codes, packed.codes, bias)
    outputs, inputs = len(packed.codes), 2 * packed.codes.shape[1]
    if rows.codes.shape[-1] != inputs or (bias is not None and bias.shape != (outputs,)):
        raise ValueError(
            f"linear_w4a8: rows of {rows.codes.shape[-1]} codes and a bias {None if bias is None else list(bias.shape)} do "
            f"not fit a weight of {inputs} inputs and {outputs} outputs"
        )
    codes = rows.codes.reshape(-1, inputs)
    y = torch.empty((*rows.codes.shape[:-1], outputs), dtype=dtype, device=device)
    groups, many = packed.scale.shape[1], len(codes)
    aligned = inputs % 32 == 0 and codes.stride(1) == 1
    tile = tile or tile_for("linear_w4a8", capability_of(device), many, aligned=aligned)
    if groups > 1:
        tile = tile._replace(block_k=packed.step)  # a step of the kernel has one scale
    launch(
        _linear_w4a8, tile.grid(many, outputs), tile.options, codes=codes, row_scale=rows.scale.reshape(-1),
        row_zero=rows.zero.reshape(-1), weight=packed.codes, weight_scale=packed.scale, weight_zero=packed.zero,
        weight_sums=packed.sums, bias=bias, y=y, M=many, N=outputs, K=inputs, groups=groups, codes_stride=codes.stride(0),
        codes_column_stride=codes.stride(1), STEPS_PER_GROUP=inputs // groups // packed.step, GROUPED=groups > 1,
        EVEN_K=inputs % tile.block_k == 0, **tile.constants(),
    )  # fmt: skip
    record_kernel("linear_w4a8/triton", rows, weight, bias, out=y)
    return y


@triton.jit
def unpacked(packed):
    """Return bytes [N, K / 2] int8 as the codes [N, K] int8 that they hold, the low half first."""
    joined = tl.join((packed << 4) >> 4, packed >> 4)  # [N, K / 2, 2]; shifts of int8 keep the sign
    return tl.reshape(joined, (packed.shape[0], 2 * packed.shape[1]))


@triton.jit
def _linear_w4a8(
    codes, row_scale, row_zero, weight, weight_scale, weight_zero, weight_sums, bias, y, M, N, K, groups, codes_stride,
    codes_column_stride, STEPS_PER_GROUP: tl.constexpr, GROUPED: tl.constexpr, EVEN_K: tl.constexpr,
    BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    tile_m, tile_n = tile_of(tl.program_id(0), M, N, BLOCK_M, BLOCK_N)
    m, n, k = tile_m * BLOCK_M + tl.arange(0, BLOCK_M), tile_n * BLOCK_N + tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_K)
    byte = tl.arange(0, BLOCK_K // 2)
    row, channel = (m % M).to(tl.int64), (n % N).to(tl.int64)
    x_at = codes + row[:, None] * codes_stride + k[None, :] * codes_column_stride
    w_at = weight + channel[:, None] * (K // 2) + byte[None, :]
    zero = tl.load(row_zero + row) - 128
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.int32)
    scaled = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for step in range(tl.cdiv(K, BLOCK_K)):
        group = step // STEPS_PER_GROUP if GROUPED else 0
        if EVEN_K:
            x, packed = tl.load(x_at), tl.load(w_at)
        else:
            # 128 is 0 once signed, so that what the bytes beyond the end hold does not matter.
            x = tl.load(x_at, mask=k[None, :] < K - step * BLOCK_K, other=128)
            packed = tl.load(w_at, mask=byte[None, :] < K // 2 - step * (BLOCK_K // 2), other=0)
        w = unpacked(packed) - tl.load(weight_zero + channel * groups + group)[:, None]
        if GROUPED:
            part = tl.dot(signed(x), tl.trans(w))
            sums = tl.load(weight_sums + channel * (K // BLOCK_K) + step)
            part = (part - zero[:, None] * sums[None, :]).to(tl.float32)
            scaled += part * tl.load(weight_scale + channel * groups + group)[None, :]
        else:
            total = tl.dot(signed(x), tl.trans(w), total)
        x_at += BLOCK_K * codes_column_stride
        w_at += BLOCK_K // 2
    if not GROUPED:
        total -= zero[:, None] * tl.load(weight_sums + channel)[None, :]
        scaled = total.to(tl.float32) * tl.load(weight_scale + channel)[None, :]
    found = scaled * tl.load(row_scale + row)[:, None]
    if bias is not None:
        found += tl.load(bias + channel).to(tl.float32)[None, :]
    tl.store(y + m.to(tl.int64)[:, None] * N + n[None, :], found, mask=(m < M)[:, None] & (n < N)[None, :])
