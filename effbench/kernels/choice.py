"""Which implementation of an operation runs: the one that was asked for, or by the device that the tensor lies on."""

from __future__ import annotations

from typing import Literal

import torch

Implementation = Literal["reference", "cpu", "triton"]
Choice = Literal["auto", Implementation]
CHOICES = ("auto", "reference", "cpu", "triton")


def chosen(operation: str, impl: Choice, x: torch.Tensor, dtype: torch.dtype = torch.float32) -> Implementation:
    """Return the implementation that ``impl`` means for a tensor; "auto" is "triton" on CUDA and "cpu" on a CPU.

    Raises ``ValueError`` for one that there is not, and for a tensor that the compiled CPU path does not take: it takes
    ``dtype``.
    """
    if impl == "auto":
        if x.is_cuda:
            return "triton"
        impl = "cpu"
    elif impl not in CHOICES:
        raise ValueError(f"{operation} has no implementation {impl!r}; want one of {', '.join(CHOICES)}")
    if impl == "cpu" and (x.device.type != "cpu" or x.dtype != dtype):
        raise ValueError(
            f"{operation}: the compiled CPU path takes {str(dtype).removeprefix('torch.')} on the CPU, got "
            f"{str(x.dtype).removeprefix('torch.')} on {x.device.type}"
        )
    return impl
