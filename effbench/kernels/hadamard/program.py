"""The code that rotates one row, for one size: butterflies for the power of two, then Paley's matrices of +-1, in one buffer.

A butterfly stage of stride s maps the pair (a, b) = (x[i], x[i + s]) to (a + b, a - b). Strides within a vector are shuffles;
of the others, as many as the registers allow are done between one load and one store.
"""

from __future__ import annotations

from llvmlite import ir

from effbench.kernels.emitter import F32, I64, Code, Program, Value
from effbench.kernels.hadamard.reference import PALEY_FACTORS, factors_of, paley
from effbench.kernels.isa import Isa

RADIX = {"avx512-vnni": 16, "avx2": 8, "portable": 8}
"""Vectors that one pass of butterflies holds: half of the registers."""
ROTATE = (I64, I64, I64)
"""Arguments of a function that rotates: row, multiplier (0 for none) and result, which has a vector of slack behind it."""


def rotate(program: Program, isa: Isa, size: int, inside: bool) -> ir.Function:
    """Write the function "rotate" of ``ROTATE`` for rows of ``size`` float32."""
    odd, power = factors_of(size)
    with program.function("rotate", *ROTATE, inside=inside) as (code, (x, multiplier, y), function):
        in_vector = min(power, isa.lanes)
        _scale(code, isa, size, in_vector, x, multiplier, y)
        stride = in_vector
        while stride < power:
            radix = min(RADIX[isa.vectors], power // stride)
            _between_vectors(code, isa, size, stride, radix, y)
            stride *= radix
        inner = power
        for order in reversed(PALEY_FACTORS[odd]):
            _paley(code, isa, size, order, inner, y)
            inner *= order
    return function


def _scale(code: Code, isa: Isa, size: int, length: int, x: Value, multiplier: Value, y: Value) -> None:
    """Write x * multiplier / sqrt(size) after the stages within vectors; the factor is rounded to float32 once."""
    vector = ir.VectorType(F32, isa.lanes)
    norm = code.constant(vector, size**-0.5)

    def scaled(i: Value, with_multiplier: bool) -> None:
        mask = code.first_lanes(code.i64(size) - i, isa.lanes)
        value = code.load_lanes(vector, x + i * 4, mask) * norm
        if with_multiplier:
            value = value * code.load_lanes(vector, multiplier + i * 4, mask)
        code.store(_within(code, isa, length, value), y + i * 4)

    for condition, given in (("!=", True), ("==", False)):
        with code.when(multiplier.compared(condition, 0)):
            code.loop(0, code.i64(size), isa.lanes, lambda i, given=given: scaled(i, given))


def _within(code: Code, isa: Isa, length: int, value: Value) -> Value:
    """Return a vector after the stages of strides 1, 2, ... < ``length``, a power of two up to its lanes."""
    stride = 1
    while stride < length:
        signs = [-1.0 if lane & stride else 1.0 for lane in range(isa.lanes)]
        swapped = code.shuffle(value, [lane ^ stride for lane in range(isa.lanes)])
        value = code.fused(value, Value(code, ir.Constant(value.type, signs)), swapped)
        stride *= 2
    return value


def _between_vectors(code: Code, isa: Isa, size: int, stride: int, radix: int, y: Value) -> None:
    """Do the stages of strides ``stride``, 2 ``stride``, ... < ``radix * stride``, a multiple of the lanes of a vector."""
    vector = ir.VectorType(F32, isa.lanes)

    def turn(block: Value, i: Value) -> None:
        places = [y + (block + i) * 4 + 4 * stride * r for r in range(radix)]
        values = [code.load(vector, place) for place in places]
        step = 1
        while step < radix:
            for r in range(radix):
                if not r & step:
                    left, right = values[r], values[r + step]
                    values[r], values[r + step] = left + right, left - right
            step *= 2
        for value, place in zip(values, places, strict=True):
            code.store(value, place)

    def one_block(block: Value) -> None:
        code.loop(0, code.i64(stride), isa.lanes, lambda i: turn(block, i))

    code.loop(0, code.i64(size), stride * radix, one_block)


def _paley(code: Code, isa: Isa, size: int, order: int, inner: int, y: Value) -> None:
    """Multiply by Paley's matrix over an index whose steps are ``inner`` numbers apart."""
    lanes = min(isa.lanes, inner & -inner)  # the largest power of two that divides it
    vector = ir.VectorType(F32, lanes)
    signs = paley(order).tolist()

    def turn(block: Value, i: Value) -> None:
        places = [y + (block + i) * 4 + 4 * inner * j for j in range(order)]
        values = [code.load(vector, place) for place in places]
        for k, place in enumerate(places):
            total = values[0] if signs[0][k] > 0 else 0.0 - values[0]
            for j in range(1, order):
                total = total + values[j] if signs[j][k] > 0 else total - values[j]
            code.store(total, place)

    def one_block(block: Value) -> None:
        code.loop(0, code.i64(inner), lanes, lambda i: turn(block, i))

    code.loop(0, code.i64(size), inner * order, one_block)


def rotation_program(isa: Isa, size: int) -> str:
    """Return the LLVM IR of the function "rotate" for rows of ``size``, which other kernels call by its address."""
    program = Program()
    rotate(program, isa, size, inside=False)
    return program.text()


VECTOR_SLACK = 64
"""Bytes behind a row that a vector of it may be written over."""
ROWS_FIELDS = ("x", "rows", "inputs", "multiplier", "rotate", "y", "scratch", "scratch_bytes")


def rows_program() -> str:
    """Return the LLVM IR of the kernel "hadamard", which calls the function "rotate" of the job's size row by row."""
    program = Program()
    with program.kernel("hadamard", ROWS_FIELDS) as (code, job):
        thread, team = job.place_in_team()
        rows, size = job["rows"], job["inputs"] * 4
        row = job["scratch"] + thread * job["scratch_bytes"]

        def one_row(r: Value) -> None:
            code.call_address(job["rotate"], job["x"] + r * size, job["multiplier"], row)
            code.copy(job["y"] + r * size, row, size)

        code.loop(rows * thread // team, rows * (thread + 1) // team, 1, one_row)
    return program.text()
