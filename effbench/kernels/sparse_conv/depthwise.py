"""The programs of depthwise convolution: a channel is multiplied by a number of its own; as ``program``, pair by pair."""

from __future__ import annotations

from llvmlite import ir

from effbench.kernels.emitter import F32, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.sparse_conv.program import (
    BEHIND,
    BLOCK,
    FIELDS,
    blocks_of_thread,
    list_pairs,
    row_at,
    scratch_bytes,
)

AT_ONCE = 8
"""Vectors of a weight that stay in registers while rows go by."""


def depthwise_program(isa: Isa, vectors: int) -> str:
    """Return the LLVM IR of "sparse_conv": y [rows, vectors] of x and weight [taps, vectors]."""
    program = Program()
    with program.kernel("sparse_conv", FIELDS) as (code, job):
        vector, row = ir.VectorType(F32, isa.lanes), 4 * isa.lanes * vectors
        zero = code.constant(vector, 0.0)
        thread, team = job.place_in_team()
        lists = job["scratch"] + thread * scratch_bytes()

        def one_block(begin: Value, end: Value) -> None:
            code.loop(begin * row, end * row, 4 * isa.lanes, lambda place: code.store(zero, job["y"] + place))

            def one_tap(tap: Value) -> None:
                count = list_pairs(code, isa, job, lists, tap, begin, end)
                for offsets in _pieces(isa, vectors):
                    given = [code.load(vector, job["weight"] + tap * row + offset) for offset in offsets]

                    def one_pair(pair: Value, offsets: list[int] = offsets, given: list[Value] = given) -> None:
                        x = row_at(code, lists + pair * 4, job["x"], row)
                        y = row_at(code, lists + (pair * 4 + BEHIND), job["y"], row)
                        for offset, weight in zip(offsets, given, strict=True):
                            total = code.fused(code.load(vector, x + offset), weight, code.load(vector, y + offset))
                            code.store(total, y + offset)

                    code.loop(0, count, 1, one_pair)

            code.loop(0, job["taps"], 1, one_tap)

        blocks_of_thread(code, job, thread, team, one_block)
    return program.text()


def depthwise_gradient_program(isa: Isa, vectors: int) -> str:
    """Return the LLVM IR of "sparse_conv_gradient": that of a weight [taps, vectors], which starts as zero."""
    program = Program()
    with program.kernel("sparse_conv_gradient", FIELDS) as (code, job):
        vector, row = ir.VectorType(F32, isa.lanes), 4 * isa.lanes * vectors
        thread, team = job.place_in_team()
        lists = job["scratch"] + thread * scratch_bytes()

        def one_tap(tap: Value) -> None:
            def one_block(begin: Value) -> None:
                count = list_pairs(code, isa, job, lists, tap, begin, (begin + BLOCK).least(job["rows"]))
                for offsets in _pieces(isa, vectors):
                    places = [job["y"] + tap * row + offset for offset in offsets]

                    def one_pair(pair: Value, *sums: Value, offsets: list[int] = offsets) -> list[Value]:
                        x = row_at(code, lists + pair * 4, job["x"], row)
                        gradient = row_at(code, lists + (pair * 4 + BEHIND), job["weight"], row)
                        return [
                            code.fused(code.load(vector, x + offset), code.load(vector, gradient + offset), total)
                            for offset, total in zip(offsets, sums, strict=True)
                        ]

                    sums = code.loop(0, count, 1, one_pair, [code.load(vector, place) for place in places])
                    for value, place in zip(sums, places, strict=True):
                        code.store(value, place)

            code.loop(0, job["rows"], BLOCK, one_block)

        code.loop(thread, job["taps"], team, one_tap)
    return program.text()


def _pieces(isa: Isa, vectors: int) -> list[list[int]]:
    """Return the offsets in bytes of a row's vectors, as many at a time as registers hold."""
    offsets = [4 * isa.lanes * v for v in range(vectors)]
    return [offsets[first : first + AT_ONCE] for first in range(0, vectors, AT_ONCE)]
