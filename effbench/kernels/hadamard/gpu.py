"""The Hadamard rotation of rows on a GPU: butterflies for the power of two, small products for the factors 12 and 20."""

# mypy: disable-error-code="untyped-decorator, no-untyped-def, no-untyped-call"
# Triton has no types.

from __future__ import annotations

import torch

from effbench.kernels import record_kernel
from effbench.kernels.gpu_launch import check_operands, launch, tl, triton
from effbench.kernels.gpu_rows import columns_of, paley_operands, rotated, row_layout


def hadamard(x: torch.Tensor, multiplier: torch.Tensor | None = None) -> torch.Tensor:
    """Return (x * multiplier) @ H / sqrt(C) of x [..., C] in its own dtype (fp32, fp16 or bf16), computed in fp32.

    ``multiplier`` [C]. Raises ``ValueError`` where a row does not fit into one program or has no rotation.
    """
    device = check_operands("hadamard", x, multiplier)
    layout = row_layout("hadamard", x.shape[-1], rotate=True)
    y = torch.empty(x.shape, dtype=x.dtype, device=device)
    flat = x.reshape(-1, layout.WIDTH)
    constants = {name: value for name, value in layout._asdict().items() if name != "ROTATE"}
    launch(
        _hadamard, (len(flat),), layout.options(), x=flat, y=y,
        multiplier=None if multiplier is None else multiplier.contiguous(), **paley_operands(layout, device),
        row_stride=flat.stride(0), column_stride=flat.stride(1), **constants,
    )  # fmt: skip
    record_kernel("hadamard/triton", x, multiplier, out=y)
    return y


@triton.jit
def _hadamard(
    x, y, multiplier, outer, inner, row_stride, column_stride, WIDTH: tl.constexpr, OUTER: tl.constexpr,
    INNER: tl.constexpr, OUTER_PLACES: tl.constexpr, INNER_PLACES: tl.constexpr, POWER: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    column, valid = columns_of(WIDTH, OUTER, INNER, OUTER_PLACES, INNER_PLACES, POWER)
    numbers = tl.load(x + row * row_stride + column * column_stride, mask=valid, other=0.0).to(tl.float32)
    if multiplier is not None:
        numbers = numbers * tl.load(multiplier + column, mask=valid, other=0.0).to(tl.float32)
    turned = rotated(numbers, outer, inner, WIDTH, OUTER_PLACES, INNER_PLACES, POWER)
    tl.store(y + row * WIDTH + column, turned, mask=valid)
