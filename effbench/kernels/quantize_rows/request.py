"""What may be asked of the quantization of rows, checked alike by every operation that does it."""

from __future__ import annotations

import torch

from effbench.kernels.codes import StaticRange
from effbench.kernels.hadamard.reference import factors_of

BITS = range(2, 9)
"""Bits of a code: one bit has no symmetric range, and codes are bytes."""


def check_request(
    operation: str, inputs: int, bits: int, static: StaticRange | None, multiplier: torch.Tensor | None, rotate: bool
) -> int:
    """Return the bits that codes of rows of ``inputs`` numbers get; raise ``ValueError`` for what cannot be done."""
    bits = bits if static is None else static.bits
    if bits not in BITS:
        raise ValueError(f"{operation}: codes have {BITS.start} to {BITS.stop - 1} bits, not {bits}")
    if static is not None and not (static.scale > 0 and 0 <= static.zero < 2**bits):
        raise ValueError(f"{operation}: a static range has a scale above 0 and a zero point in its codes, not {static}")
    if multiplier is not None and (multiplier.shape != (inputs,) or multiplier.dtype != torch.float32):
        kind = str(multiplier.dtype).removeprefix("torch.")
        raise ValueError(f"{operation} wants a float32 multiplier [{inputs}], got {kind} {list(multiplier.shape)}")
    if rotate:
        factors_of(inputs)
    return bits
