"""Linear layer with packed 4-bit weights and activations as they are, on a GPU: products of x with codes, then scales.

Codes are integers from -15 to 15, exact in every type, so that the weight is never rounded again.
"""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.gpu_launch import INTERPRETED, capability_of, check_operands, launch, tl, triton
from effbench.kernels.gpu_tiles import ProductTile, tile_for, tile_of
from effbench.kernels.gpu_weights import PackedGpuWeight, packed_gpu_weight
from effbench.kernels.linear_w4a8.gpu import unpacked

TYPES = (torch.float32, torch.float16, torch.bfloat16)


def linear_w4a16(
    x: torch.Tensor,
    weight: QuantizedWeight | PackedGpuWeight,
    bias: torch.Tensor | None,
    *,
    tile: ProductTile | None = None,
) -> torch.Tensor:
    """Return x [..., I] (fp32, fp16 or bf16) times a weight [O, I] of 4-bit codes as [..., O] in the dtype of x.

    Sums are float32. Raises ``ValueError`` for operands that do not fit one another, for groups of other sizes than 32, 64
    or multiples of 128, and for bf16 in Triton's interpreter, which multiplies its bits as integers.
    """
    packed = weight if isinstance(weight, PackedGpuWeight) else packed_gpu_weight(weight)
    device = check_operands("linear_w4a16", x, packed.codes, bias)
    outputs, inputs = len(packed.codes), 2 * packed.codes.shape[1]
    if x.shape[-1] != inputs or (bias is not None and bias.shape != (outputs,)):
        raise ValueError(
            f"linear_w4a16: rows of {x.shape[-1]} numbers and a bias {None if bias is None else list(bias.shape)} do not fit "
            f"a weight of {inputs} inputs and {outputs} outputs"
        )
    if x.dtype not in TYPES:
        raise ValueError(f"linear_w4a16: want x in float32, float16 or bfloat16, not {x.dtype}")
    if x.dtype == torch.bfloat16 and INTERPRETED and device.type == "cpu":
        raise ValueError(
            "linear_w4a16: Triton's interpreter multiplies bfloat16 wrongly; take float32 or float16 there"
        )
    flat = x.reshape(-1, inputs)
    y = torch.empty((*x.shape[:-1], outputs), dtype=x.dtype, device=device)
    groups, many = packed.scale.shape[1], len(flat)
    aligned, wide = inputs % 32 == 0 and flat.stride(1) == 1, x.dtype == torch.float32
    tile = tile or tile_for("linear_w4a16", capability_of(device), many, aligned=aligned, wide_input=wide)
    if groups > 1:
        tile = tile._replace(block_k=min(tile.block_k, packed.step))
    launch(
        _linear_w4a16, tile.grid(many, outputs), tile.options, x=flat, weight=packed.codes, weight_scale=packed.scale,
        weight_zero=packed.zero, bias=bias, y=y, M=many, N=outputs, K=inputs, groups=groups, x_stride=flat.stride(0),
        x_column_stride=flat.stride(1), STEPS_PER_GROUP=inputs // groups // tile.block_k, GROUPED=groups > 1,
        EVEN_K=inputs % tile.block_k == 0, **tile.constants(),
    )  # fmt: skip
    record_kernel("linear_w4a16/triton", x, weight, bias, out=y)
    return y


@triton.jit
def _linear_w4a16(
    x, weight, weight_scale, weight_zero, bias, y, M, N, K, groups, x_stride, x_column_stride,
    STEPS_PER_GROUP: tl.constexpr, GROUPED: tl.constexpr, EVEN_K: tl.constexpr, BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr,
):  # fmt: skip
    tile_m, tile_n = tile_of(tl.program_id(0), M, N, BLOCK_M, BLOCK_N)
    m, n, k = tile_m * BLOCK_M + tl.arange(0, BLOCK_M), tile_n * BLOCK_N + tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_K)
    byte = tl.arange(0, BLOCK_K // 2)
    row, channel = (m % M).to(tl.int64), (n % N).to(tl.int64)
    x_at = x + row[:, None] * x_stride + k[None, :] * x_column_stride
    w_at = weight + channel[:, None] * (K // 2) + byte[None, :]
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for step in range(tl.cdiv(K, BLOCK_K)):
        group = step // STEPS_PER_GROUP if GROUPED else 0
        if EVEN_K:
            numbers, packed = tl.load(x_at), tl.load(w_at)
        else:
            numbers = tl.load(x_at, mask=k[None, :] < K - step * BLOCK_K, other=0.0)
            packed = tl.load(w_at, mask=byte[None, :] < K // 2 - step * (BLOCK_K // 2), other=0)
        w = unpacked(packed) - tl.load(weight_zero + channel * groups + group)[:, None]
        w = tl.trans(w.to(x.dtype.element_ty))
        if GROUPED:
            part = tl.dot(numbers, w, input_precision="tf32x3")
            total += part * tl.load(weight_scale + channel * groups + group)[None, :]
        else:
            total = tl.dot(numbers, w, total, input_precision="tf32x3")
        x_at += BLOCK_K * x_column_stride
        w_at += BLOCK_K // 2
    if not GROUPED:
        total *= tl.load(weight_scale + channel)[None, :]
    if bias is not None:
        total += tl.load(bias + channel).to(tl.float32)[None, :]
    tl.store(y + m.to(tl.int64)[:, None] * N + n[None, :], total, mask=(m < M)[:, None] & (n < N)[None, :])
