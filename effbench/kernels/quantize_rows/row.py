"""The code that quantizes one row of float32, a part of every kernel that takes or makes quantized rows.

Two passes over the row, which lies in the first-level cache after the first: its range, then its codes. Rounding adds
1.5 * 2^23, which leaves the integer in the low bits of the float: the same tie to even as ``rint``.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from llvmlite import ir

from effbench.kernels.codes import StaticRange
from effbench.kernels.dot import add_products
from effbench.kernels.emitter import F32, I8, I16, I32, I64, Code, Job, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.reference import LEAST_RANGE

ROUNDER = 1.5 * 2**23
"""Added to a float32 of magnitude below 2^22 it rounds to an integer, and has that integer plus ``ROUNDER_BITS`` as bits."""
ROUNDER_BITS = 0x4B400000
FAR = 2.0**20
"""Where quotients of a static range are cut before they are rounded: far outside all codes, well inside 2^22."""
UNROLLED = 4
"""Vectors of one turn: as many as the bytes of one vector of codes come from."""
SETTINGS = ("steps", "top", "symmetric", "static_scale", "static_zero")
"""Fields of a job: what the range is divided by, the largest code, 0 or 1, and the bits of the scale (float32, 0 for a scale
of each row) and the zero point of a static range."""
SLACK = 64
"""Bytes that may be written beyond the codes of a row."""


@lru_cache(maxsize=256)
def settings(bits: int, symmetric: bool, static: StaticRange | None) -> tuple[int, ...]:
    """Return the values of ``SETTINGS``; a static range has bits of its own."""
    if static is not None:
        (scale,) = struct.unpack("<i", struct.pack("<f", static.scale))
        return 1, 2**static.bits - 1, 0, scale, static.zero
    return 2 ** (bits - 1) - 1 if symmetric else 2**bits - 1, 2**bits - 1, int(symmetric), 0, 0


def quantize_row(program: Program, isa: Isa) -> ir.Function:
    """Write the function (x, inputs, codes, result, SETTINGS...) -> nothing; all arguments are 64-bit.

    ``x`` is the address of ``inputs`` float32, ``codes`` that of as many bytes, after which ``SLACK`` more are overwritten (by
    zeros first). ``result`` gets scale float32, zero int32 and the sum of the codes int32. A row that is not finite has scale
    NaN and codes 0.
    """
    kinds = [I64] * (4 + len(SETTINGS))
    with program.function("quantize_row", *kinds) as (code, arguments, function):
        x, inputs, codes, result, steps, top, symmetric, static_scale, static_zero = arguments
        low, high, poison = _range(code, isa, x, inputs)
        finite = poison.compared("==", 0.0)
        is_symmetric = symmetric.compared("!=", 0)
        span = code.select(is_symmetric, high.greatest(0.0 - low), high - low)
        steps_f = code.convert("sitofp", steps, F32)
        scale = code.select(span.compared("<", LEAST_RANGE), code.constant(F32, 1.0), span / steps_f)
        fixed = code.convert("bitcast", code.convert("trunc", static_scale, I32), F32)
        is_static = static_scale.compared("!=", 0)
        scale = code.select(is_static, fixed, scale)
        inverse = code.constant(F32, 1.0) / scale
        shifted = code.unary("rint", (0.0 - low) * inverse)
        zero = code.convert("fptosi", code.select(finite, shifted, code.constant(F32, 0.0)), I64)
        zero = code.select(is_symmetric, (top + 1) >> 1, zero)
        zero = code.convert("trunc", code.select(is_static, static_zero, zero), I32)
        code.store(code.select(finite, scale, float("nan")), result)
        code.store(zero, result + 4)
        # Multiplied by 0 and shifted to 0, a row that is not finite has codes 0 without a branch of its own.
        inverse = code.select(finite, inverse, 0.0)
        zero = code.select(finite, zero, 0)
        code.store(_codes(code, isa, x, inputs, codes, (inverse, zero, top)), result + 8)
    return function


def _range(code: Code, isa: Isa, x: Value, inputs: Value) -> tuple[Value, Value, Value]:
    """Return (least, largest, poison) of a row and 0, poison being 0 for a finite row and NaN for any other."""
    lanes = isa.lanes
    vector = ir.VectorType(F32, lanes)
    nothing = code.constant(vector, 0.0)

    def join(value: Value, low: Value, high: Value, poison: Value) -> tuple[Value, Value, Value]:
        return value.least(low), value.greatest(high), code.fused(value, nothing, poison)

    def turn(i: Value, *carried: Value) -> list[Value]:
        results: list[Value] = []
        for v in range(UNROLLED):
            value = code.load(vector, x + (i + lanes * v) * 4)
            results += join(value, *carried[3 * v : 3 * v + 3])
        return results

    whole = inputs - (inputs & (UNROLLED * lanes - 1))
    ranges = code.loop(0, whole, UNROLLED * lanes, turn, [nothing] * (3 * UNROLLED))
    low, high, poison = ranges[:3]
    for v in range(1, UNROLLED):
        low, high = low.least(ranges[3 * v]), high.greatest(ranges[3 * v + 1])
        poison = poison + ranges[3 * v + 2]

    def rest(i: Value, low: Value, high: Value, poison: Value) -> tuple[Value, Value, Value]:
        return join(code.load_lanes(vector, x + i * 4, code.first_lanes(inputs - i, lanes)), low, high, poison)

    low, high, poison = code.loop(whole, inputs, lanes, rest, [low, high, poison])
    return (
        code.reduce(low, lambda a, b: a.least(b)),
        code.reduce(high, lambda a, b: a.greatest(b)),
        code.reduce(poison, lambda a, b: a + b),
    )


def _codes(code: Code, isa: Isa, x: Value, inputs: Value, codes: Value, how: tuple[Value, Value, Value]) -> Value:
    """Write the codes of a row, zeros after them, and return their sum as int32; ``how``: 1 / scale, zero, largest code."""
    lanes = isa.lanes
    inverse, zero, top = how
    vector, integers = ir.VectorType(F32, lanes), ir.VectorType(I32, lanes)
    factor = code.spread(inverse, lanes)
    shift = code.spread(zero - ROUNDER_BITS, lanes)
    largest = code.spread(code.convert("trunc", top, I8), 4 * lanes)
    ones = code.constant(ir.VectorType(I8, 4 * lanes), 1)

    def rounded(value: Value) -> Value:
        """Return rint(value / scale) + zero as int32."""
        quotient = value * factor
        quotient = quotient.greatest(-FAR).least(FAR)
        return code.convert("bitcast", quotient + ROUNDER, integers) + shift

    def packed(parts: list[Value]) -> Value:
        result = _pack_bytes(code, isa, parts)
        builder = code.builder
        less = builder.icmp_unsigned("<", result.ir, largest.ir)
        return Value(code, builder.select(less, result.ir, largest.ir))

    def turn(i: Value, sums: Value) -> list[Value]:
        result = packed([rounded(code.load(vector, x + (i + lanes * v) * 4)) for v in range(UNROLLED)])
        code.store(result, codes + i)
        return [add_products(code, isa, sums, result, ones)]

    def rest(i: Value, sums: Value) -> list[Value]:
        parts = []
        for v in range(UNROLLED):
            mask = code.first_lanes(inputs - i - lanes * v, lanes)
            value = code.load_lanes(vector, x + (i + lanes * v) * 4, mask)
            parts.append(code.select(mask, rounded(value), 0))
        result = packed(parts)
        code.store(result, codes + i)
        return [add_products(code, isa, sums, result, ones)]

    whole = inputs - (inputs & (UNROLLED * lanes - 1))
    (sums,) = code.loop(0, whole, UNROLLED * lanes, turn, [code.constant(integers, 0)])
    (sums,) = code.loop(whole, inputs, UNROLLED * lanes, rest, [sums])
    return code.reduce(sums, lambda a, b: a + b)


def _pack_bytes(code: Code, isa: Isa, parts: list[Value]) -> Value:
    """Return four vectors of int32 as one of bytes, each cut to [0, 255]."""
    lanes = isa.lanes
    if isa.name == "portable":
        joined = [code.select(p.compared(">", 0), p, 0) for p in parts]
        joined = [code.select(p.compared("<", 255), p, 255) for p in joined]
        bytes_ = [code.convert("trunc", p, ir.VectorType(I8, lanes)) for p in joined]
        halves = [code.shuffle(bytes_[i], range(2 * lanes), bytes_[i + 1]) for i in (0, 2)]
        return code.shuffle(halves[0], range(4 * lanes), halves[1])
    prefix, suffix = ("llvm.x86.avx512", ".512") if isa.lanes == 16 else ("llvm.x86.avx2", "")
    words, bytes_type = ir.VectorType(I16, 2 * lanes), ir.VectorType(I8, 4 * lanes)
    to_words = code.intrinsic(f"{prefix}.packssdw{suffix}", words, [parts[0].type] * 2)
    to_bytes = code.intrinsic(f"{prefix}.packuswb{suffix}", bytes_type, [words] * 2)
    packed = to_bytes(to_words(parts[0], parts[1]), to_words(parts[2], parts[3]))
    # x86 packs within 128-bit pieces: word w of the result holds piece w // 4 of part w % 4.
    as_words = code.convert("bitcast", packed, ir.VectorType(I32, lanes))
    pieces = lanes // 4
    order = [4 * piece + part for part in range(4) for piece in range(pieces)]
    return code.convert("bitcast", code.shuffle(as_words, order), bytes_type)


def transformed_row(code: Code, isa: Isa, job: Job, x: Value, target: Value) -> Value:
    """Multiply and rotate a row as a job says; return where it stands now: at ``target``, or still at ``x``.

    The fields "inputs", "multiplier" (address of float32, or 0) and "rotate" (of ``hadamard.program.rotate``, or 0) say it.
    """
    inputs, multiplier, rotate = job["inputs"], job["multiplier"], job["rotate"]
    vector = ir.VectorType(F32, isa.lanes)
    with code.when(rotate.compared("!=", 0)):
        code.call_address(rotate, x, multiplier, target)
    with code.when(rotate.compared("==", 0) & multiplier.compared("!=", 0)):

        def scaled(i: Value) -> None:
            mask = code.first_lanes(inputs - i, isa.lanes)
            product = code.load_lanes(vector, x + i * 4, mask) * code.load_lanes(vector, multiplier + i * 4, mask)
            code.store(product, target + i * 4)

        code.loop(0, inputs, isa.lanes, scaled)
    return code.select((multiplier | rotate).compared("==", 0), x, target)
