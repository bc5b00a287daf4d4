"""The innermost function of the integer product: a tile of rows x channels, from zero points to scaled float32."""

from __future__ import annotations

from llvmlite import ir

from effbench.kernels.dot import accumulate, corrected
from effbench.kernels.emitter import F32, I32, I64, Code, Program, Value
from effbench.kernels.isa import Isa

ARGUMENTS = (
    *("codes", "padded", "panel", "groups"),
    *("corrections", "weight_scale", "bias"),  # an int32 of ``dot.corrected`` and two float32 a channel
    *("results", "y", "y_stride", "left"),
)
"""Addresses and strides in bytes: codes of the first row and from one to the next, the panel and its groups of four inputs,
what belongs to its channels, what belongs to the rows (below), y, and how many outputs there are from the tile's first on."""
SCALE, ZERO, SUM, ZERO_PAIR, ROW_RESULT = 0, 4, 8, 12, 16
"""Where in the ``ROW_RESULT`` bytes of a row what stands: float32, int32, int32 and ``dot.zero_point_pair``."""
TALLEST = 14
"""Rows of a tile, at most: beyond, a row's word is loaded for too few products."""


def heights(isa: Isa, width: int) -> tuple[int, ...]:
    """Return the rows of the tiles of ``width`` vectors, the tallest first: sums, weights and a row's word fill the registers."""
    other = 1 if isa.name == "avx512-vnni" else 3  # without VNNI also the pairs of products and a vector of ones
    tallest = max(1, min((isa.registers - width - other) // width, TALLEST))
    return (tallest, *(2**power for power in reversed(range(4)) if 2**power < tallest))


def tile(program: Program, isa: Isa, height: int, width: int) -> ir.Function:
    """Write the function of ``ARGUMENTS`` that writes y of ``height`` rows and up to ``width`` vectors of channels."""
    lanes = isa.lanes
    integers, floats = ir.VectorType(I32, lanes), ir.VectorType(F32, lanes)
    with program.function(f"tile_{height}x{width}", *[I64] * len(ARGUMENTS)) as (code, arguments, function):
        codes, padded, panel, groups, corrections, weight_scale, bias, results, y, y_stride, left = arguments
        vectors = [4 * lanes * v for v in range(width)]  # bytes from the first channel on
        starts = [code.load(integers, corrections + at) for at in vectors]
        sums = []
        for r in range(height):
            pair = code.spread(code.load(I32, results + (ROW_RESULT * r + ZERO_PAIR)), lanes)
            sums.append([corrected(code, isa, pair, start) for start in starts])
        sums = accumulate(code, isa, sums, [codes + padded * r for r in range(height)], panel, groups)

        def row_scale(r: int) -> Value:
            return code.spread(code.load(F32, results + (ROW_RESULT * r + SCALE)), lanes)

        is_whole = left.compared(">=", lanes * width)
        with code.when(is_whole):
            factors = [code.load(floats, weight_scale + at) for at in vectors]
            biases = [code.load(floats, bias + at) for at in vectors]
            for r in range(height):
                for v in range(width):
                    value = code.fused(code.convert("sitofp", sums[r][v], floats), row_scale(r) * factors[v], biases[v])
                    code.store(value, y + y_stride * r + vectors[v])
        with code.when(left.compared("<", lanes * width)):
            for v in range(width):
                mask = code.first_lanes(left - lanes * v, lanes)
                factor = code.load_lanes(floats, weight_scale + vectors[v], mask)
                addend = code.load_lanes(floats, bias + vectors[v], mask)
                for r in range(height):
                    value = code.fused(code.convert("sitofp", sums[r][v], floats), row_scale(r) * factor, addend)
                    code.store_lanes(value, y + y_stride * r + vectors[v], mask)
    return function
