"""The innermost function of the integer product: a tile of rows x channels, from zero points to scaled float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from effbench.kernels.dot import accumulate, corrected
from effbench.kernels.emitter import F32, I32, I64, Code, Program, Value
from effbench.kernels.isa import Isa

ARGUMENTS = (
    *("codes", "padded", "panel", "groups"),
    *("corrections", "weight_scale"),  # an int32 of ``dot.corrected`` and a float32 a channel
    *(
        "addends",
        "addend_stride",
    ),  # float32 a channel, and from one row's to the next's: the bias and 0, or what y holds
    *("results", "y", "y_stride", "left", "rows"),
)
"""Addresses and strides in bytes: codes of the first row and from one to the next, the panel and its groups of four inputs,
what belongs to its channels, what belongs to the rows (below), y, how many outputs there are from the tile's first on, and
how many rows."""
SCALE, ZERO, SUM, ZERO_PAIR, ROW_RESULT = 0, 4, 8, 12, 16
"""Where in the ``ROW_RESULT`` bytes of a row what stands: float32, int32, int32 and ``dot.zero_point_pair``."""
TALLEST = 14
"""Rows of a tile, at most: beyond, a row's word is loaded for too few products."""


def heights(isa: Isa, width: int) -> tuple[int, ...]:
    """Return the rows of the tiles of ``width`` vectors, the tallest first: sums, weights and a word fill the registers."""
    other = 1 if isa.vectors == "avx512-vnni" else 3  # without VNNI also the pairs of products and a vector of ones
    tallest = max(1, min((isa.registers - width - other) // width, TALLEST))
    return (tallest, *(2**power for power in reversed(range(4)) if 2**power < tallest))


def tile(program: Program, isa: Isa, height: int, width: int) -> ir.Function:
    """Write the function of ``ARGUMENTS`` that writes y of ``height`` rows and up to ``width`` vectors of channels."""
    lanes = isa.lanes
    integers = ir.VectorType(I32, lanes)
    with program.function(f"tile_{height}x{width}", *[I64] * len(ARGUMENTS)) as (code, arguments, function):
        codes, padded, panel, groups, corrections, *_ = arguments
        results = arguments[ARGUMENTS.index("results")]
        starts = [code.load(integers, corrections + 4 * lanes * v) for v in range(width)]
        sums = []
        for r in range(height):
            pair = code.spread(code.load(I32, results + (ROW_RESULT * r + ZERO_PAIR)), lanes)
            sums.append([corrected(code, isa, pair, start) for start in starts])
        sums = accumulate(code, isa, sums, [codes + padded * r for r in range(height)], panel, groups)
        write_tile(code, isa, arguments, [code.i64(r) for r in range(height)], width, lambda r, v: sums[r][v])
    return function


def write_tile(
    code: Code,
    isa: Isa,
    arguments: Sequence[Value],
    rows: Sequence[Value],
    width: int,
    total: Callable[[int, int], Value],
) -> None:
    """Scale the sums of a tile, ``total(i, v)`` for its i-th row in ``rows`` and its v-th vector of channels, and store y."""
    lanes = isa.lanes
    floats = ir.VectorType(F32, lanes)
    named = dict(zip(ARGUMENTS, arguments, strict=True))
    vectors = [4 * lanes * v for v in range(width)]  # bytes from the first channel on

    def output(i: int, v: int, factor: Value, addend: Value) -> Value:
        scale = code.spread(code.load(F32, named["results"] + rows[i] * ROW_RESULT + SCALE), lanes)
        return code.fused(code.convert("sitofp", total(i, v), floats), scale * factor, addend)

    with code.when(named["left"].compared(">=", lanes * width)):
        factors = [code.load(floats, named["weight_scale"] + at) for at in vectors]
        for i, r in enumerate(rows):
            for v, at in enumerate(vectors):
                addend = code.load(floats, named["addends"] + named["addend_stride"] * r + at)
                code.store(output(i, v, factors[v], addend), named["y"] + named["y_stride"] * r + at)
    with code.when(named["left"].compared("<", lanes * width)):
        for v, at in enumerate(vectors):
            mask = code.first_lanes(named["left"] - lanes * v, lanes)
            factor = code.load_lanes(floats, named["weight_scale"] + at, mask)
            for i, r in enumerate(rows):
                addend = code.load_lanes(floats, named["addends"] + named["addend_stride"] * r + at, mask)
                code.store_lanes(output(i, v, factor, addend), named["y"] + named["y_stride"] * r + at, mask)
