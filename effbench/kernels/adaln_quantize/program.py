"""The program of ``adaln_quantize``: LayerNorm and modulation as the source of rows that are quantized.

Three passes over a row, which lies in the first-level cache after the first: its mean, its variance about it, the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from effbench.kernels.emitter import F32, I32, Code, KernelJob, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.program import rows_program

MORE_FIELDS = ("shift", "modulation", "rows_per_item", "shift_stride", "modulation_stride", "eps")
"""Beside those of ``rows_program``: float32 [B, C] each, how many rows share one of them, the bytes from one to the next, and
the bits of a float32."""


def modulated_row(code: Code, isa: Isa, job: KernelJob, row: Value, place: Value) -> Value:
    """Normalize and modulate a row of the job's x to ``place``, and return it."""
    vector = ir.VectorType(F32, isa.lanes)
    inputs = job["inputs"]
    x = job["x"] + row * inputs * 4
    item = row // job["rows_per_item"]
    shift, modulation = (job[field] + item * job[f"{field}_stride"] for field in ("shift", "modulation"))
    count = code.convert("sitofp", inputs, F32)

    def total(term: Callable[[Value, Value], Value]) -> Value:
        """Return the sum of a term over the row."""

        def turn(i: Value, partial: Value) -> list[Value]:
            mask = code.first_lanes(inputs - i, isa.lanes)
            return [partial + term(code.load_lanes(vector, x + i * 4, mask), mask)]

        (partial,) = code.loop(0, inputs, isa.lanes, turn, [code.constant(vector, 0.0)])
        return code.reduce(partial, lambda a, b: a + b)

    mean = code.spread(total(lambda value, _: value) / count, isa.lanes)

    def squared(value: Value, mask: Value) -> Value:
        centred = code.select(mask, value - mean, 0.0)
        return centred * centred

    eps = code.convert("bitcast", code.convert("trunc", job["eps"], I32), F32)
    deviation = code.unary("sqrt", total(squared) / count + eps)
    inverse = code.spread(code.constant(F32, 1.0) / deviation, isa.lanes)

    def turn(i: Value) -> None:
        mask = code.first_lanes(inputs - i, isa.lanes)
        value, scale, offset = (code.load_lanes(vector, base + i * 4, mask) for base in (x, modulation, shift))
        code.store((value - mean) * inverse * (scale + 1.0) + offset, place + i * 4)

    code.loop(0, inputs, isa.lanes, turn)
    return place


def adaln_program(isa: Isa) -> str:
    """Return the LLVM IR of the kernel "adaln_quantize"."""
    return rows_program(
        isa, "adaln_quantize", lambda code, job, row, place: modulated_row(code, isa, job, row, place), MORE_FIELDS
    )
