"""The Hadamard rotation of rows, factored: n log n additions for the power of two, and Paley's matrices beside it."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.hadamard import cpu, reference
from effbench.kernels.hadamard.reference import has_rotation
from effbench.kernels.quantize_rows.request import check_request

__all__ = ["hadamard", "has_rotation"]


def hadamard(x: torch.Tensor, multiplier: torch.Tensor | None = None, *, impl: Choice = "auto") -> torch.Tensor:
    """Return (x * multiplier) @ H / sqrt(C) of x [..., C] in its own dtype; ``multiplier`` [C] float32.

    Raises ``ValueError`` for a size that has no Hadamard matrix here.
    """
    ran = chosen("hadamard", impl, x)
    check_request("hadamard", x.shape[-1], 8, None, multiplier, rotate=True)
    if ran == "cpu":
        return cpu.hadamard(x, multiplier)
    if ran == "reference":
        return reference.hadamard(x, multiplier)
    from effbench.kernels.hadamard import gpu

    return gpu.hadamard(x, multiplier)
