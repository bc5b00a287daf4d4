"""Which tiles of rows x channels an instruction set computes, from the tallest to single rows."""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import ir

from effbench.kernels.emitter import Program
from effbench.kernels.isa import Isa
from effbench.kernels.linear_w8a8 import amx
from effbench.kernels.linear_w8a8.tile import TALLEST, heights, tile


class Tile(NamedTuple):
    """A function of ``tile.ARGUMENTS`` for ``step`` rows, or for fewer, ``least`` at the fewest."""

    least: int
    step: int
    function: ir.Function


def tiles_of(program: Program, isa: Isa, width: int) -> list[Tile]:
    """Write the functions of tiles of ``width`` vectors of channels, the tallest first."""
    found = []
    if isa.name == amx.NAME:
        found = [Tile(least, step, amx.tile(program, isa, step, width)) for least, step in amx.STEPS]
    fewest = found[-1].least if found else TALLEST + 1
    return found + [
        Tile(height, height, tile(program, isa, height, width)) for height in heights(isa, width) if height < fewest
    ]


def tallest(isa: Isa, width: int) -> int:
    """Return the rows of the tallest tile; blocks of rows are multiples of it."""
    return amx.STEPS[0][1] if isa.name == amx.NAME else heights(isa, width)[0]
