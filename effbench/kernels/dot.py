"""Products of unsigned activation codes with int8 weights, summed in int32: the one thing that differs between processors.

Four codes of a row lie in one 32-bit word; each lane of a vector of weights holds the four codes of its channel that belong
to the same inputs. ``accumulate`` is the inner loop of the linear layers: a tile of rows x channels, its sums in registers.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from effbench.kernels.emitter import I8, I16, I32, Code, Value
from effbench.kernels.isa import Isa

CODES_PER_WORD = 4
"""Inputs that one lane multiplies in one instruction."""
CORRECTION_BASE = 128
"""A zero point times a channel's sum is made of 16-bit products: sum = low + 128 * high, and 128 * 255 still has 15 bits."""
LARGEST_INPUTS = CORRECTION_BASE * (2**15 - 1) // 127
"""Up to so many inputs the sum of a channel's codes has 16 bits in ``high``; 255 * 127 * inputs fits into int32 as well."""

Tile = Sequence[Sequence[Value]]


def add_products(code: Code, isa: Isa, sums: Value, unsigned: Value, signed: Value) -> Value:
    """Return int32 ``sums`` plus, in each lane, the four products of u8 and s8 codes of that lane; exact.

    Both are vectors of 4 codes a lane. On AVX2 the unsigned ones must have 7 bits.
    """
    lanes = isa.lanes
    if isa.vectors == "avx512-vnni":
        bytes_ = ir.VectorType(I8, 4 * lanes)
        return code.intrinsic("llvm.x86.avx512.vpdpbusd.512", sums.type, [sums.type, bytes_, bytes_])(
            sums, unsigned, signed
        )
    words = ir.VectorType(I16, 2 * lanes)
    if isa.vectors == "avx2":
        pairs = code.intrinsic("llvm.x86.avx2.pmadd.ub.sw", words, [unsigned.type] * 2)(unsigned, signed)
        return sums + _add_pairs(code, isa, pairs, code.constant(words, 1))
    wide = ir.VectorType(I32, 4 * lanes)
    products = code.convert("zext", unsigned, wide) * code.convert("sext", signed, wide)
    for place in range(CODES_PER_WORD):
        sums = sums + code.shuffle(products, [CODES_PER_WORD * lane + place for lane in range(lanes)])
    return sums


def _add_pairs(code: Code, isa: Isa, left: Value, right: Value) -> Value:
    """Return the products of two vectors of int16 added pair by pair, as int32."""
    sums = ir.VectorType(I32, isa.lanes)
    if isa.vectors == "portable":
        wide = ir.VectorType(I32, 2 * isa.lanes)
        products = code.convert("sext", left, wide) * code.convert("sext", right, wide)
        even, odd = ([2 * lane + place for lane in range(isa.lanes)] for place in (0, 1))
        return code.shuffle(products, even) + code.shuffle(products, odd)
    name = "llvm.x86.avx512.pmaddw.d.512" if isa.vectors == "avx512-vnni" else "llvm.x86.avx2.pmadd.wd"
    return code.intrinsic(name, sums, [left.type] * 2)(left, right)


def zero_point_pair(zero: Value) -> Value:
    """Return (zero, 128 * zero) as two 16-bit halves of an int32, for ``corrected``."""
    return zero | (zero * CORRECTION_BASE << 16)


def corrected(code: Code, isa: Isa, pair: Value, correction: Value) -> Value:
    """Return -zero * (sum of a channel's codes) for each lane's channel, exact: what a tile's sums start from.

    ``pair`` [lanes] is one row's ``zero_point_pair`` in every lane, ``correction`` [lanes] the packed (low, high) of -sum.
    """
    words = ir.VectorType(I16, 2 * isa.lanes)
    return _add_pairs(code, isa, code.convert("bitcast", pair, words), code.convert("bitcast", correction, words))


def accumulate(
    code: Code, isa: Isa, sums: Tile, rows: Sequence[Value], panel: Value, groups: Value
) -> list[list[Value]]:
    """Write the inner loop over ``groups`` of four inputs; return the sums [rows][vectors] with its products added.

    ``rows`` are the addresses of the codes of each row, ``panel`` that of the weights: for each group one vector after the
    other, as many as the tile has. Several calls in a row sum over several pieces of the inputs (the taps of a convolution).
    """
    height, width = len(sums), len(sums[0])
    vector = 4 * isa.lanes  # bytes
    codes = ir.VectorType(I8, vector)

    def step(group: Value, *flat: Value) -> list[Value]:
        weights = [code.load(codes, panel + group * (vector * width) + vector * v) for v in range(width)]
        results: list[Value] = []
        for r in range(height):
            word = code.load(I32, rows[r] + group * CODES_PER_WORD)
            spread = code.convert("bitcast", code.spread(word, isa.lanes), codes)
            results += [add_products(code, isa, flat[width * r + v], spread, weights[v]) for v in range(width)]
        return results

    flat = code.loop(0, groups, 1, step, [value for row in sums for value in row])
    return [flat[width * r : width * (r + 1)] for r in range(height)]
