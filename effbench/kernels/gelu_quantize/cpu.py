"""GELU and quantization of rows on the CPU, in one pass."""

from __future__ import annotations

from functools import cache

import torch

from effbench.kernels import isa
from effbench.kernels.codes import QuantizedRows
from effbench.kernels.gelu_quantize.program import gelu_program
from effbench.kernels.machine_code import address_of
from effbench.kernels.quantize_rows.cpu import run
from effbench.kernels.quantize_rows.program import FIELDS
from effbench.kernels.quantize_rows.row import settings
from effbench.kernels.recording import record_kernel
from effbench.kernels.threads import Kernel


@cache
def kernel(name: str) -> Kernel:
    """Return the compiled kernel of an instruction set."""
    machine = isa.named(name)
    return Kernel(address_of("gelu_quantize", gelu_program(machine), machine), len(FIELDS))


def gelu_quantize(
    x: torch.Tensor, bits: int, symmetric: bool, multiplier: torch.Tensor | None, rotate: bool
) -> QuantizedRows:
    """Return what ``gelu_quantize.reference`` specifies, for arguments that the public function has checked."""
    name = isa.current().vectors
    rows = run(kernel(name), x.contiguous(), settings(bits, symmetric, None), multiplier, rotate)
    record_kernel(f"gelu_quantize/{name}", x, out=rows)
    return rows
