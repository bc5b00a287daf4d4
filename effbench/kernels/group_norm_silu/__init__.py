"""GroupNorm and SiLU of an image in one pass, as the convolutions of a U-Net's ResNets take them."""

from __future__ import annotations

from typing import Literal

import torch

from effbench.kernels.group_norm_silu import cpu, reference

__all__ = ["group_norm_silu"]


def group_norm_silu(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    groups: int,
    eps: float = 1e-5,
    *,
    offset: torch.Tensor | None = None,
    impl: Literal["auto", "reference", "cpu"] = "auto",
) -> torch.Tensor:
    """Return silu(group_norm(x + offset)) of x [B, C, H, W], weight and bias [C] and offset [B, C], or none.

    There is no kernel for GPUs: "auto" is "cpu" for float32 on the CPU, else the reference, which is operators of torch.
    Raises ``ValueError`` for operands that do not fit one another.
    """
    batch, channels = x.shape[:2]
    if x.ndim != 4 or channels % groups or weight.shape != (channels,) or bias.shape != (channels,):
        raise ValueError(
            f"group_norm_silu wants x [B, C, H, W] and weight and bias [C], C a multiple of {groups} groups; got "
            f"{list(x.shape)}, {list(weight.shape)} and {list(bias.shape)}"
        )
    if offset is not None and offset.shape != (batch, channels):
        raise ValueError(f"group_norm_silu wants an offset [{batch}, {channels}], got {list(offset.shape)}")
    operands = [part for part in (x, weight, bias, offset) if part is not None]
    is_ours = all(part.dtype == torch.float32 and part.is_cpu for part in operands)
    if impl == "cpu" and not is_ours:
        raise ValueError("group_norm_silu: the compiled path takes float32 on the CPU")
    if impl == "reference" or not is_ours:
        return reference.group_norm_silu(x, weight, bias, groups, eps, offset)
    return cpu.group_norm_silu(x, weight, bias, groups, eps, offset)
