"""The program of ``adaln_quantize``: LayerNorm and modulation as the source of rows that are quantized.

Three passes over a row, which lies in the first-level cache after the first: its mean, its variance about that mean, the rest.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from effbench.kernels.emitter import F32, I32, Code, Job, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.program import rows_program

MORE_FIELDS = ("shift", "modulation", "rows_per_item", "eps")
"""Beside those of ``rows_program``: float32 [B, C] each, how many rows share one of them, and the bits of a float32."""


def adaln_program(isa: Isa) -> str:
    """Return the LLVM IR of the kernel "adaln_quantize"."""
    vector = ir.VectorType(F32, isa.lanes)

    def modulated(code: Code, job: Job, row: Value, place: Value) -> Value:
        inputs = job["inputs"]
        x = job["x"] + row * inputs * 4
        of_item = (row // job["rows_per_item"]) * inputs * 4
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
            value, scale, shift = (
                code.load_lanes(vector, base + i * 4, mask)
                for base in (x, job["modulation"] + of_item, job["shift"] + of_item)
            )
            code.store((value - mean) * inverse * (scale + 1.0) + shift, place + i * 4)

        code.loop(0, inputs, isa.lanes, turn)
        return place

    return rows_program(isa, "adaln_quantize", modulated, MORE_FIELDS)
