"""Quantized rows on the CPU: one pass over x, rows shared by the threads."""

from __future__ import annotations

from functools import cache

import torch

from effbench.kernels import isa
from effbench.kernels.codes import QuantizedRows, StaticRange
from effbench.kernels.hadamard.cpu import rotation
from effbench.kernels.machine_code import address_of
from effbench.kernels.quantize_rows.program import FIELDS, row_of_x, rows_program, scratch_bytes
from effbench.kernels.quantize_rows.row import settings
from effbench.kernels.recording import record_kernel
from effbench.kernels.threads import Kernel


@cache
def kernel(name: str) -> Kernel:
    """Return the compiled kernel of an instruction set."""
    machine = isa.named(name)
    return Kernel(address_of("quantize_rows", rows_program(machine, "quantize_rows", row_of_x), machine), len(FIELDS))


def quantize_rows(
    x: torch.Tensor,
    bits: int,
    symmetric: bool,
    static: StaticRange | None,
    multiplier: torch.Tensor | None,
    rotate: bool,
) -> QuantizedRows:
    """Return what ``quantize_rows.reference`` specifies, for arguments that the public function has checked."""
    name = isa.current().vectors
    rows = run(kernel(name), x.contiguous(), settings(bits, symmetric, static), multiplier, rotate)
    record_kernel(f"quantize_rows/{name}", x, out=rows)
    return rows


def run(
    compiled: Kernel,
    x: torch.Tensor,
    how: tuple[int, ...],
    multiplier: torch.Tensor | None,
    rotate: bool,
    *more_fields: int,
) -> QuantizedRows:
    """Return the rows that a kernel of ``rows_program`` makes of x [..., C], contiguous; ``how`` are the ``settings``."""
    inputs = x.shape[-1]
    codes = torch.empty(x.shape, dtype=torch.uint8)
    scale = torch.empty(x.shape[:-1])
    zero, sums = (torch.empty(x.shape[:-1], dtype=torch.int32) for _ in range(2))
    rows = scale.numel()
    if x.numel():
        threads = min(torch.get_num_threads(), rows)
        size = scratch_bytes(inputs)
        scratch = torch.empty(threads * size, dtype=torch.uint8)
        scales = None if multiplier is None else multiplier.contiguous()
        compiled.run(
            threads,
            *(x.data_ptr(), rows, inputs),
            *(0 if scales is None else scales.data_ptr(), rotation(inputs) if rotate else 0),
            *how,
            *(codes.data_ptr(), scale.data_ptr(), zero.data_ptr(), sums.data_ptr()),
            *(scratch.data_ptr(), size),
            *more_fields,
        )
    return QuantizedRows(codes, scale, zero, sums)
