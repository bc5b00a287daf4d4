"""Launching Triton kernels: on a GPU, in Triton's interpreter, or not at all but written down for a compiler ahead of time.

Every ``gpu.py`` takes ``triton`` and ``tl`` from here, so that who lacks Triton is told so in one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch

try:
    import triton
    import triton.language as tl
except ModuleNotFoundError as error:
    raise ImportError("the GPU kernels need Triton, and it is not installed: pip install 'effbench[gpu]'") from error

__all__ = ["Launch", "Options", "capability_of", "check_operands", "launch", "tl", "triton", "written_down"]

INTERPRETED = bool(triton.knobs.runtime.interpret)
"""Whether kernels of this process run in Triton's interpreter, on tensors of a processor (``TRITON_INTERPRET=1``)."""
FIRST_CAPABILITY = 80
"""The oldest cards that the kernels are compiled for: Ampere, whose tensor cores have int8."""


class Options(NamedTuple):
    """How a kernel is compiled: warps of a program, and stages of the pipeline that loads ahead."""

    num_warps: int
    num_stages: int = 1


class Launch(NamedTuple):
    """A kernel with its arguments by name, as it would have been launched."""

    kernel: Any
    arguments: dict[str, Any]
    options: Options


class _Written(NamedTuple):
    capability: int
    launches: list[Launch]


_written: ContextVar[_Written | None] = ContextVar("_written", default=None)


@contextmanager
def written_down(capability: int) -> Iterator[list[Launch]]:
    """Launch nothing in the block: list what would be launched for "meta" tensors on a card of a capability (80, 90)."""
    launches: list[Launch] = []
    token = _written.set(_Written(capability, launches))
    try:
        yield launches
    finally:
        _written.reset(token)


def capability_of(device: torch.device) -> int:
    """Return the compute capability of a device as major * 10 + minor; that of the block for "meta" tensors."""
    written = _written.get()
    if written is not None:
        return written.capability
    if device.type != "cuda":
        return FIRST_CAPABILITY  # the interpreter takes any tile; this one is then tested
    major, minor = torch.cuda.get_device_capability(device)
    return major * 10 + minor


def check_operands(operation: str, *tensors: torch.Tensor | None) -> torch.device:
    """Return the device that all tensors lie on; raise ``ValueError`` where Triton cannot run an operation there."""
    devices = sorted({str(tensor.device) for tensor in tensors if tensor is not None})
    if len(devices) != 1:
        raise ValueError(f"{operation}: operands lie on {' and '.join(devices)}; want one device")
    device = torch.device(devices[0])
    if device.type == "cpu" and not INTERPRETED:
        raise ValueError(
            f"{operation}: the Triton kernel runs on CUDA tensors; these lie on the CPU (impl='cpu' runs there)"
        )
    if device.type not in ("cpu", "cuda") and (device.type != "meta" or _written.get() is None):
        raise ValueError(f"{operation}: the Triton kernel runs on CUDA tensors, not on {device}")
    return device


def launch(kernel: Any, grid: tuple[int, ...], options: Options, **arguments: Any) -> None:
    """Run a kernel over a grid of programs; an empty grid runs nothing.

    Products and sums are not contracted to fused multiply-adds: codes must equal those of the reference, and a product
    that is rounded once less falls on the other side of a tie.
    """
    if 0 in grid:
        return
    written = _written.get()
    if written is not None:
        written.launches.append(Launch(kernel, arguments, options))
        return
    on = next(value.device for value in arguments.values() if isinstance(value, torch.Tensor))
    with torch.cuda.device(on) if on.type == "cuda" else nullcontext():
        kernel[grid](**arguments, **options._asdict(), enable_fp_fusion=False)
