"""How ``linear_w4a8`` differs from ``linear_w8a8``: a panel is unpacked to int8 beside the block of rows before it is used.

A panel is two vectors of channels wide. A byte holds the code of a channel of the first in its low half and that of the
second in its high half, each plus 8; what is taken off again, 8 and the zero point, is given for each channel and group.
"""

from __future__ import annotations

from llvmlite import ir

from effbench.kernels.emitter import I8, I16, I32, Code, Job, Value
from effbench.kernels.isa import Isa
from effbench.kernels.linear_w8a8.program import linear_program

WIDTH = 2
"""Vectors of channels of a panel: one for each half of a byte."""


def linear_w4a8_program(isa: Isa) -> str:
    """Return the LLVM IR of the kernel "linear_w4a8"."""
    lanes = isa.lanes
    vector = 4 * lanes  # bytes
    codes, words = ir.VectorType(I8, vector), ir.VectorType(I16, 2 * lanes)

    def unpacked(code: Code, job: Job, panel: Value, place: Value) -> Value:
        low_half = code.constant(codes, 15)
        inputs = job["group_inputs"]
        packed = job["panels"] + panel * lanes * job["padded_inputs"]

        def one_group(group: Value) -> None:
            channel = job["offsets"] + (group * job["channels"] + panel * (WIDTH * lanes)) * 4
            offsets = [
                code.convert("bitcast", code.load(ir.VectorType(I32, lanes), channel + vector * v), codes)
                for v in range(WIDTH)
            ]
            source, target = packed + group * inputs * lanes, place + group * inputs * (WIDTH * lanes)

            def four_inputs(i: Value) -> None:
                pairs = code.load(codes, source + i * vector)
                shifted = code.convert("bitcast", code.convert("bitcast", pairs, words) >> 4, codes)
                for v, half in enumerate((pairs & low_half, shifted & low_half)):
                    code.store(half - offsets[v], target + i * (WIDTH * vector) + vector * v)

            code.loop(0, (inputs + 3) >> 2, 1, four_inputs)

        code.loop(0, job["scale_groups"], 1, one_group)
        return place

    return linear_program(isa, WIDTH, "linear_w4a8", unpacked)
