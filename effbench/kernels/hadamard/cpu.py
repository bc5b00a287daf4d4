"""The rotation of rows on the CPU, compiled for each size."""

from __future__ import annotations

from functools import cache

import torch

from effbench.kernels import isa
from effbench.kernels.hadamard.program import ROWS_FIELDS, VECTOR_SLACK, rotation_program, rows_program
from effbench.kernels.machine_code import address_of
from effbench.kernels.recording import record_kernel
from effbench.kernels.threads import Kernel


def rotation(size: int) -> int:
    """Return the address of the function (row, multiplier or 0, result) that rotates rows of ``size`` float32.

    The result has a vector of slack behind it. Raises ``ValueError`` for a size without a Hadamard matrix.
    """
    return _rotation(isa.current().vectors, size)


@cache
def _rotation(name: str, size: int) -> int:
    machine = isa.named(name)
    return address_of("rotate", rotation_program(machine, size), machine)


@cache
def _rows_kernel(name: str) -> Kernel:
    machine = isa.named(name)
    return Kernel(address_of("hadamard", rows_program(), machine), len(ROWS_FIELDS))


def hadamard(x: torch.Tensor, multiplier: torch.Tensor | None) -> torch.Tensor:
    """Return what ``hadamard.reference`` specifies, for arguments that the public function has checked."""
    name, size = isa.current().vectors, x.shape[-1]
    source = x.contiguous()
    y = torch.empty(x.shape)
    if x.numel():
        rows = x.numel() // size
        threads = min(torch.get_num_threads(), rows)
        row_bytes = 4 * size + VECTOR_SLACK
        scratch = torch.empty(threads * row_bytes, dtype=torch.uint8)
        scales = None if multiplier is None else multiplier.contiguous()
        fields = (source.data_ptr(), rows, size, 0 if scales is None else scales.data_ptr(), rotation(size))
        _rows_kernel(name).run(threads, *fields, y.data_ptr(), scratch.data_ptr(), row_bytes)
    record_kernel(f"hadamard/{name}", x, out=y)
    return y
