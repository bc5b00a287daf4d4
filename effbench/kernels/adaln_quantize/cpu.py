"""LayerNorm, modulation and quantization of rows on the CPU, in one pass over memory."""

from __future__ import annotations

import struct
from functools import cache

import torch

from effbench.kernels import isa
from effbench.kernels.adaln_quantize.program import MORE_FIELDS, adaln_program
from effbench.kernels.codes import QuantizedRows
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
    return Kernel(address_of("adaln_quantize", adaln_program(machine), machine), len(FIELDS) + len(MORE_FIELDS))


def adaln_quantize(
    x: torch.Tensor,
    shift: torch.Tensor,
    scale: torch.Tensor,
    eps: float,
    bits: int,
    symmetric: bool,
    multiplier: torch.Tensor | None,
    rotate: bool,
) -> QuantizedRows:
    """Return what ``adaln_quantize.reference`` specifies, for arguments that the public function has checked."""
    name = isa.current().name
    shift, scale = shift.contiguous(), scale.contiguous()
    (eps_bits,) = struct.unpack("<i", struct.pack("<f", eps))
    more = (shift.data_ptr(), scale.data_ptr(), x.shape[1], eps_bits)
    rows = run(kernel(name), x.contiguous(), settings(bits, symmetric, None), multiplier, rotate, *more)
    record_kernel(f"adaln_quantize/{name}", x, shift, scale, out=rows)
    return rows
