"""The rotation of rows on the CPU, compiled for each size."""

from __future__ import annotations

from functools import cache

import torch

from effbench.kernels import isa
from effbench.kernels.emitter import Job, Program
from effbench.kernels.hadamard.program import rotation_program
from effbench.kernels.machine_code import address_of


def rotation(size: int) -> int:
    """Return the address of the function (row, multiplier or 0, result) that rotates rows of ``size`` float32.

    The result has a vector of slack behind it. Raises ``ValueError`` for a size without a Hadamard matrix.
    """
    return _rotation(isa.current().name, size)


@cache
def _rotation(name: str, size: int) -> int:
    machine = isa.named(name)
    return address_of("rotate", rotation_program(machine, size), machine)
