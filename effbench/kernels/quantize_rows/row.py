"""The code that quantizes one row of float32, a part of every kernel that takes or makes quantized rows.

Two passes over the row, which lies in the first-level cache after the first: its range, then its codes.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from llvmlite import ir

from effbench.kernels.codes import StaticRange
from effbench.kernels.dot import add_products
from effbench.kernels.emitter import F32, I8, I16, I32, I64, Code, KernelJob, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.reference import LEAST_RANGE

ROUNDER = 1.5 * 2**23
"""Added to a float32 of magnitude below 2^22 it rounds to an integer, ties to even, that is in the low bits of the sum."""
ROUNDER_BITS = 0x4B400000
"""The bits of ``ROUNDER`` as an integer."""
FAR = 2.0**20
"""Where quotients of a static range are cut before they are rounded: far outside all codes, well inside 2^22."""
CURRENT_ROUNDING = 4
"""How x86's conversion is told to round as the processor is set to: to the nearest, ties to even."""
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

    ``x`` is the address of ``inputs`` float32, ``codes`` that of as many bytes, behind which ``SLACK`` more may be written
    (zeros first). ``result`` gets scale float32, zero int32 and the sum of the codes int32. A row that is not finite has
    scale NaN and codes 0.
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
        code.store(_codes(code, isa, x, inputs, codes, (inverse, zero, top, is_static)), result + 8)
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


def _codes(
    code: Code, isa: Isa, x: Value, inputs: Value, codes: Value, how: tuple[Value, Value, Value, Value]
) -> Value:
    """Write the codes of a row, zeros after them, and return their sum as int32.

    ``how`` is 1 / scale, zero point, largest code, and whether the range was fixed before: then numbers may lie far outside.
    """
    lanes = isa.lanes
    inverse, zero, top, is_static = how
    vector, integers, all_bytes = (ir.VectorType(*form) for form in ((F32, lanes), (I32, lanes), (I8, 4 * lanes)))
    factor, none, far = code.spread(inverse, lanes), code.constant(integers, 0), code.constant(vector, FAR)
    shift = code.spread(code.convert("trunc", zero, I16), 2 * lanes)
    largest = code.spread(code.convert("trunc", top, I8), 4 * lanes)
    ones = code.constant(all_bytes, 1)
    whole = inputs - (inputs & (UNROLLED * lanes - 1))

    def written(i: Value, quotients: list[Value], sums: Value, mask: Value | None) -> list[Value]:
        result = packed_codes(code, isa, [nearest(code, isa, q) for q in quotients], shift).least_unsigned(largest)
        if mask is not None:
            result = code.select(mask, result, 0)
        code.store(result, codes + i)
        return [add_products(code, isa, sums, result, ones)]

    def turn(i: Value, sums: Value) -> list[Value]:
        values = [code.load(vector, x + (i + lanes * v) * 4) for v in range(UNROLLED)]
        return written(i, [value * factor for value in values], sums, None)

    def careful(i: Value, sums: Value) -> list[Value]:
        """Do as ``turn`` for a part of a vector, and for numbers of any size."""
        quotients = []
        for v in range(UNROLLED):
            mask = code.first_lanes(inputs - i - lanes * v, lanes)
            quotient = code.load_lanes(vector, x + (i + lanes * v) * 4, mask) * factor
            quotients.append(code.select(quotient.compared(">", FAR), far, quotient).greatest(-FAR))
        return written(i, quotients, sums, code.first_bytes(inputs - i, 4 * lanes))

    start = code.select(is_static, 0, whole)
    (sums,) = code.loop(0, start, UNROLLED * lanes, turn, [none])
    (sums,) = code.loop(start, inputs, UNROLLED * lanes, careful, [sums])
    return code.reduce(sums, lambda a, b: a + b)


def nearest(code: Code, isa: Isa, value: Value) -> Value:
    """Return float32 below ``FAR`` rounded to int32, ties to even; NaN gives a number below all codes."""
    integers = ir.VectorType(I32, isa.lanes)
    if isa.vectors == "avx512-vnni":
        kinds = [value.type, integers, I16, I32]
        convert = code.intrinsic("llvm.x86.avx512.mask.cvtps2dq.512", integers, kinds)
        return convert(value, code.constant(integers, 0), code.constant(I16, -1), code.constant(I32, CURRENT_ROUNDING))
    if isa.vectors == "avx2":
        return code.intrinsic("llvm.x86.avx.cvt.ps2dq.256", integers, [value.type])(value)
    return code.convert("bitcast", value.greatest(-FAR) + ROUNDER, integers) - ROUNDER_BITS


def packed_codes(code: Code, isa: Isa, parts: list[Value], shift: Value) -> Value:
    """Return four vectors of int32, each plus the zero point (int16 in every lane), as one of bytes, cut to [0, 255]."""
    lanes = isa.lanes
    words, all_bytes = ir.VectorType(I16, 2 * lanes), ir.VectorType(I8, 4 * lanes)
    plus = code.intrinsic("llvm.sadd.sat", words, [words] * 2, suffix=f"v{2 * lanes}i16")
    if isa.vectors == "portable":
        within = [part.least(2**14).greatest(-(2**14)) for part in parts]
        halves = [code.convert("trunc", part, ir.VectorType(I16, lanes)) for part in within]
        joined = [plus(code.shuffle(halves[i], range(2 * lanes), halves[i + 1]), shift) for i in (0, 2)]
        pieces = [code.convert("trunc", word.least(255).greatest(0), ir.VectorType(I8, 2 * lanes)) for word in joined]
        return code.shuffle(pieces[0], range(4 * lanes), pieces[1])
    prefix, suffix = ("llvm.x86.avx512", ".512") if isa.lanes == 16 else ("llvm.x86.avx2", "")
    to_words = code.intrinsic(f"{prefix}.packssdw{suffix}", words, [parts[0].type] * 2)
    to_bytes = code.intrinsic(f"{prefix}.packuswb{suffix}", all_bytes, [words] * 2)
    packed = to_bytes(plus(to_words(parts[0], parts[1]), shift), plus(to_words(parts[2], parts[3]), shift))
    # x86 packs within pieces of 128 bits: 32-bit word w of the result holds piece w // 4 of part w % 4.
    as_words = code.convert("bitcast", packed, ir.VectorType(I32, lanes))
    order = [4 * piece + part for part in range(4) for piece in range(lanes // 4)]
    return code.convert("bitcast", code.shuffle(as_words, order), all_bytes)


def transformed_row(code: Code, isa: Isa, job: KernelJob, x: Value, target: Value) -> Value:
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
