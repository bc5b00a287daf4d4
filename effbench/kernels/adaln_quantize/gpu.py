"""LayerNorm, modulation, rotation and quantization of rows on a GPU: a row is read once and leaves as codes."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.codes import QuantizedRows
from effbench.kernels.gpu_launch import check_operands, launch, tl, triton
from effbench.kernels.gpu_rows import columns_of, empty_rows, paley_operands, rotated, row_layout, write_row


def adaln_quantize(
    x: torch.Tensor,
    shift: torch.Tensor,
    scale: torch.Tensor,
    eps: float = 1e-6,
    bits: int = 8,
    symmetric: bool = False,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
) -> QuantizedRows:
    """Return the codes of x [B, N, C] under shift and scale [B, C]; fp32, fp16 or bf16, computed in fp32.

    Raises ``ValueError`` for other shapes, and where a row does not fit into one program or has no rotation.
    """
    device = check_operands("adaln_quantize", x, shift, scale, multiplier)
    if x.ndim != 3 or shift.shape != (len(x), x.shape[2]) or scale.shape != shift.shape:
        raise ValueError(
            f"adaln_quantize: want x [B, N, C] with shift and scale [B, C]; got {list(x.shape)} with {list(shift.shape)} "
            f"and {list(scale.shape)}"
        )
    layout = row_layout("adaln_quantize", x.shape[2], rotate)
    rows = empty_rows(x.shape, device)
    launch(
        _adaln_quantize, (len(x) * x.shape[1],), layout.options(), x=x, shift=shift, scale=scale,
        multiplier=None if multiplier is None else multiplier.contiguous(), **paley_operands(layout, device),
        codes=rows.codes, scales=rows.scale, zeros=rows.zero, sums=rows.sums, eps=eps, rows_per_item=x.shape[1],
        item_stride=x.stride(0), row_stride=x.stride(1), column_stride=x.stride(2),
        shift_item_stride=shift.stride(0), shift_column_stride=shift.stride(1),
        scale_item_stride=scale.stride(0), scale_column_stride=scale.stride(1),
        **layout._asdict(), TOP=2**bits - 1, SYMMETRIC=symmetric,
    )  # fmt: skip
    record_kernel("adaln_quantize/triton", x, shift, scale, eps, bits, symmetric, multiplier, rotate, out=rows)
    return rows


@triton.jit
def _adaln_quantize(
    x, shift, scale, multiplier, outer, inner, codes, scales, zeros, sums, eps, rows_per_item, item_stride, row_stride,
    column_stride, shift_item_stride, shift_column_stride, scale_item_stride, scale_column_stride,
    WIDTH: tl.constexpr, OUTER: tl.constexpr, INNER: tl.constexpr, OUTER_PLACES: tl.constexpr, INNER_PLACES: tl.constexpr,
    POWER: tl.constexpr, ROTATE: tl.constexpr, TOP: tl.constexpr, SYMMETRIC: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    item = row // rows_per_item
    column, valid = columns_of(WIDTH, OUTER, INNER, OUTER_PLACES, INNER_PLACES, POWER)
    at = x + item * item_stride + (row % rows_per_item) * row_stride + column * column_stride
    numbers = tl.load(at, mask=valid, other=0.0).to(tl.float32)
    mean = tl.sum(numbers, 0) / WIDTH
    centred = tl.where(valid, numbers - mean, 0.0)
    normed = centred * tl.div_rn(1.0, tl.sqrt_rn(tl.sum(centred * centred, 0) / WIDTH + eps))
    gain = tl.load(scale + item * scale_item_stride + column * scale_column_stride, mask=valid, other=0.0)
    offset = tl.load(shift + item * shift_item_stride + column * shift_column_stride, mask=valid, other=0.0)
    modulated = normed * (1.0 + gain.to(tl.float32)) + offset.to(tl.float32)
    if multiplier is not None:
        modulated = modulated * tl.load(multiplier + column, mask=valid, other=0.0).to(tl.float32)
    if ROTATE:
        modulated = rotated(modulated, outer, inner, WIDTH, OUTER_PLACES, INNER_PLACES, POWER)
    write_row(modulated, column, valid, row, codes, scales, zeros, sums, WIDTH, TOP, SYMMETRIC)
