"""Operations and bytes of the convolution; padding counts as if it were multiplied, which is what the kernels do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effbench.kernels.cost import Cost
from effbench.kernels.operands import operand_bytes

if TYPE_CHECKING:
    import torch

    from effbench.kernels.conv2d_w8a8.packing import PackedConvW8


def flops(x: torch.Tensor, weight: PackedConvW8, *_: Any, out: torch.Tensor) -> int:
    """Return the operations: one multiply-accumulate, 2 operations, per output, input channel and tap."""
    return 2 * out.numel() * weight.inputs * weight.kernel[0] * weight.kernel[1]


def bytes_moved(x: torch.Tensor, weight: PackedConvW8, bias: torch.Tensor | None, *_: Any, out: torch.Tensor) -> int:
    """Return the bytes of x, weight and bias, read, and of y, written; the codes of x stay in caches."""
    return operand_bytes(x, weight, bias, out)


def gpu_flops(x: torch.Tensor, weight: Any, *_: Any, out: torch.Tensor) -> int:
    """Return the same for a weight whose ``codes`` are [O, KH * KW * I]."""
    return 2 * out.numel() * int(weight.codes.shape[1])


def gpu_bytes_moved(
    x: torch.Tensor, weight: Any, kernel: tuple[int, int], bias: torch.Tensor | None, *_: Any, out: torch.Tensor
) -> int:
    """Return the bytes of x, weight and bias, read, of the codes of x, written and read, and of y, written."""
    return operand_bytes(x, weight, bias, out) + 2 * x.numel()


ON_A_CPU = Cost(flops, bytes_moved, "int8")
COSTS = {
    "conv2d_w8a8/avx512-vnni": ON_A_CPU,
    "conv2d_w8a8/avx2": ON_A_CPU,
    "conv2d_w8a8/portable": ON_A_CPU,
    "conv2d_w8a8/triton": Cost(gpu_flops, gpu_bytes_moved, "int8"),
}
"""Recorded kernel -> cost."""
