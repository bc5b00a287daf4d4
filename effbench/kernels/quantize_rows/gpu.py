"""Quantization of rows on a GPU: one program a row, which it reads once. ``reference.py`` says what is computed."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.gpu_launch import check_operands, launch, tl, triton
from effbench.kernels.gpu_rows import columns_of, empty_rows, row_layout, write_codes, write_row


def quantize_rows(x: torch.Tensor, bits: int = 8, symmetric: bool = False) -> QuantizedRows:
    """Return rows x [..., C] (fp32, fp16 or bf16) as codes of 2 to 8 bits; the same codes as the reference's."""
    rows = _launched(x, bits, symmetric, None)
    record_kernel("quantize_rows/triton", x, bits, symmetric, out=rows)
    return rows


def quantize_rows_static(x: torch.Tensor, static: StaticRange) -> QuantizedRows:
    """Return rows x [..., C] as codes of one range that was fixed before.

    A row that is not finite gets scale NaN, where ``reference.quantize_tensor`` raises: to raise, a GPU would have to wait.
    """
    rows = _launched(x, static.bits, False, static)
    record_kernel("quantize_rows/triton", x, static, out=rows)
    return rows


def _launched(x: torch.Tensor, bits: int, symmetric: bool, static: StaticRange | None) -> QuantizedRows:
    device = check_operands("quantize_rows", x)
    layout = row_layout("quantize_rows", x.shape[-1], rotate=False)
    rows = empty_rows(x.shape, device)
    flat = x.reshape(-1, layout.WIDTH)
    launch(
        _quantize_rows, (len(flat),), layout.options(), x=flat, codes=rows.codes, scales=rows.scale, zeros=rows.zero,
        sums=rows.sums, static_scale=static.scale if static else 1.0, static_zero=float(static.zero) if static else 0.0,
        row_stride=flat.stride(0), column_stride=flat.stride(1), WIDTH=layout.WIDTH, POWER=layout.POWER,
        TOP=2**bits - 1, SYMMETRIC=symmetric, STATIC=static is not None,
    )  # fmt: skip
    return rows


@triton.jit
def _quantize_rows(
    x, codes, scales, zeros, sums, static_scale, static_zero, row_stride, column_stride, WIDTH: tl.constexpr,
    POWER: tl.constexpr, TOP: tl.constexpr, SYMMETRIC: tl.constexpr, STATIC: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    column, valid = columns_of(WIDTH, 1, 1, 1, 1, POWER)
    numbers = tl.load(x + row * row_stride + column * column_stride, mask=valid, other=0.0).to(tl.float32)
    if STATIC:
        write_codes(
            numbers, column, valid, row, static_scale, static_zero, codes, scales, zeros, sums, WIDTH, TOP, True
        )
    else:
        write_row(numbers, column, valid, row, codes, scales, zeros, sums, WIDTH, TOP, SYMMETRIC)
