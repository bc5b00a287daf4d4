"""GELU (its tanh form), rotation and quantization of rows on a GPU: a row is read once and leaves as codes."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.codes import QuantizedRows
from effbench.kernels.gpu_launch import check_operands, launch, tl, triton
from effbench.kernels.gpu_rows import columns_of, empty_rows, paley_operands, rotated, row_layout, write_row


def gelu_quantize(
    x: torch.Tensor,
    bits: int = 8,
    symmetric: bool = False,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
) -> QuantizedRows:
    """Return the codes of gelu(x) for rows x [..., C] (fp32, fp16 or bf16), computed in fp32.

    Raises ``ValueError`` where a row does not fit into one program or has no rotation.
    """
    device = check_operands("gelu_quantize", x, multiplier)
    layout = row_layout("gelu_quantize", x.shape[-1], rotate)
    rows = empty_rows(x.shape, device)
    flat = x.reshape(-1, layout.WIDTH)
    launch(
        _gelu_quantize, (len(flat),), layout.options(), x=flat,
        multiplier=None if multiplier is None else multiplier.contiguous(), **paley_operands(layout, device),
        codes=rows.codes, scales=rows.scale, zeros=rows.zero, sums=rows.sums, row_stride=flat.stride(0),
        column_stride=flat.stride(1), **layout._asdict(), TOP=2**bits - 1, SYMMETRIC=symmetric,
    )  # fmt: skip
    record_kernel("gelu_quantize/triton", x, bits, symmetric, multiplier, rotate, out=rows)
    return rows


@triton.jit
def _gelu_quantize(
    x, multiplier, outer, inner, codes, scales, zeros, sums, row_stride, column_stride,
    WIDTH: tl.constexpr, OUTER: tl.constexpr, INNER: tl.constexpr, OUTER_PLACES: tl.constexpr, INNER_PLACES: tl.constexpr,
    POWER: tl.constexpr, ROTATE: tl.constexpr, TOP: tl.constexpr, SYMMETRIC: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    column, valid = columns_of(WIDTH, OUTER, INNER, OUTER_PLACES, INNER_PLACES, POWER)
    numbers = tl.load(x + row * row_stride + column * column_stride, mask=valid, other=0.0).to(tl.float32)
    # 1 + tanh(u) = 2 / (1 + exp(-2 u)), without the cancellation of the left side at negative u; sqrt(8 / pi) = 1.5957691.
    doubled = 1.5957691216057308 * (numbers + 0.044715 * numbers * numbers * numbers)
    activated = numbers / (1.0 + tl.exp(-doubled))
    if multiplier is not None:
        activated = activated * tl.load(multiplier + column, mask=valid, other=0.0).to(tl.float32)
    if ROTATE:
        activated = rotated(activated, outer, inner, WIDTH, OUTER_PLACES, INNER_PLACES, POWER)
    write_row(activated, column, valid, row, codes, scales, zeros, sums, WIDTH, TOP, SYMMETRIC)
