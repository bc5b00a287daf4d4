"""LayerNorm, modulation and quantization of rows on the CPU, in one pass over memory."""

from __future__ import annotations

import struct
from functools import cache, lru_cache

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


def modulation_fields(x: torch.Tensor, shift: torch.Tensor, scale: torch.Tensor) -> tuple[int, ...]:
    """Return the values of ``MORE_FIELDS`` but the last for x [B, N, C]; channels of shift and scale lie side by side."""
    return shift.data_ptr(), scale.data_ptr(), x.shape[1], shift.stride(0) * 4, scale.stride(0) * 4


@lru_cache(maxsize=64)
def float_bits(number: float) -> int:
    """Return the bits of a float32 as an integer."""
    (bits,) = struct.unpack("<i", struct.pack("<f", number))
    return int(bits)


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
    name = isa.current().vectors
    if shift.stride(1) != 1 or scale.stride(1) != 1:
        shift, scale = shift.contiguous(), scale.contiguous()
    rows = run(
        kernel(name),
        x.contiguous(),
        settings(bits, symmetric, None),
        multiplier,
        rotate,
        *modulation_fields(x, shift, scale),
        float_bits(eps),
    )
    record_kernel(f"adaln_quantize/{name}", x, shift, scale, out=rows)
    return rows
