"""Linear layer with packed 4-bit weights and activations as they are: it saves memory, and no time."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.linear_w4a16 import cpu, reference
from effbench.kernels.linear_w4a16.packed import PackedNibbles, pack_w4a16

__all__ = ["PackedNibbles", "linear_w4a16", "pack_w4a16"]


def linear_w4a16(
    x: torch.Tensor, weight: PackedNibbles, bias: torch.Tensor | None = None, *, impl: Choice = "auto"
) -> torch.Tensor:
    """Return x [..., I] times a packed weight [O, I] of 4-bit codes, plus bias [O], as [..., O] in the dtype of x.

    Raises ``ValueError`` for operands that do not fit one another.
    """
    ran = chosen("linear_w4a16", impl, x)
    if x.shape[-1] != weight.inputs:
        raise ValueError(f"linear_w4a16: rows of {x.shape[-1]} numbers do not fit a weight of {weight.inputs} inputs")
    if ran == "cpu":
        return cpu.linear_w4a16(x, weight, bias)
    if ran == "reference":
        return reference.linear_w4a16(x, weight.weight(), bias)
    from effbench.kernels.linear_w4a16 import gpu

    return gpu.linear_w4a16(x, weight.weight(), bias)
