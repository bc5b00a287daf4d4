"""Operations and bytes of the convolution; padding counts as if it were multiplied, which is what the kernels do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from effbench.kernels.cost import Cost

if TYPE_CHECKING:
    import torch

    from effbench.kernels.codes import QuantizedWeight
    from effbench.kernels.conv2d_w8a8.packing import PackedConvW8


def flops(x: torch.Tensor, weight: PackedConvW8, *_: Any, out: torch.Tensor, **__: Any) -> int:
    """Return the operations: one multiply-accumulate, 2 operations, per output, input channel and tap."""
    return 2 * out.numel() * weight.inputs * weight.kernel[0] * weight.kernel[1]


def bytes_moved(
    x: torch.Tensor, weight: PackedConvW8, bias: torch.Tensor | None, *_: Any, out: torch.Tensor, **__: Any
) -> int:
    """Return the bytes of x, weight and bias, read, and of y, written; the codes of x stay in caches."""
    return x.nbytes + weight.packed_bytes() + (0 if bias is None else bias.nbytes) + out.nbytes


def gpu_flops(x: torch.Tensor, weight: QuantizedWeight, *_: Any, out: torch.Tensor, **__: Any) -> int:
    """Return the same of codes [O, I * KH * KW] that are not packed."""
    return 2 * out.numel() * weight.codes.shape[1]


def gpu_bytes_moved(
    x: torch.Tensor,
    weight: QuantizedWeight,
    kernel: tuple[int, int],
    bias: torch.Tensor | None,
    *_: Any,
    out: torch.Tensor,
    **__: Any,
) -> int:
    """Return the bytes of x, weight and bias, read, those of the codes of x, written and read, and of y, written."""
    weights = weight.codes.nbytes + weight.scale.nbytes
    return x.nbytes + 2 * x.numel() + weights + (0 if bias is None else bias.nbytes) + out.nbytes


ON_A_CPU = Cost(flops, bytes_moved, "int8")
COSTS = {
    "conv2d_w8a8/avx512-vnni": ON_A_CPU,
    "conv2d_w8a8/avx2": ON_A_CPU,
    "conv2d_w8a8/portable": ON_A_CPU,
    "conv2d_w8a8/triton": Cost(gpu_flops, gpu_bytes_moved, "int8"),
}
