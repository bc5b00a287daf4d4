"""The programs of sparse convolution: gather, product and sum of one tap after another, without a copy of what is gathered.

A thread takes a block of outputs, which start as the bias. For each tap it lists the pairs there are in the block, and
multiplies them a few at a time: sums of a few rows stay in registers while the channels of their inputs go by. An output's
sum is over taps and channels in their order whatever the number of threads. ReLU goes over the block while it is cached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from llvmlite import ir

from effbench.kernels.emitter import F32, I16, I32, I64, POINTER, Code, KernelJob, Program, Value
from effbench.kernels.isa import Isa

BLOCK = 512
"""Outputs of a block: their sums, and most of the inputs that they share, stay in the second-level cache."""
FIELDS = (
    *("x", "weight", "table", "y", "scratch"),  # addresses; scratch: scratch_bytes() of each thread
    *("rows", "taps", "channels", "x_row", "w_row"),  # of outputs, of the window, of x; then bytes
    *("bias", "relu"),  # the address of a row; 0 or 1
)
"""Of a job. For the gradient of a weight, "weight" is the gradient of the outputs and "y" that of the weight."""


BEHIND = 4 * (BLOCK + 64)
"""Bytes from the list of a block's inputs to that of its outputs; the lists may be filled up a little."""


class _Tile(NamedTuple):
    """Vectors of one row that are summed at a time, and rows (or channels) that are."""

    vectors: int
    height: int


def scratch_bytes() -> int:
    """Return the scratch memory of one thread: the inputs and the outputs of the pairs of a block."""
    return 2 * BEHIND


def tiles(isa: Isa, vectors: int) -> list[tuple[int, _Tile]]:
    """Return (first vector, tile) over a row of ``vectors``; 12 to 24 sums hide the latency of a fused multiply-add."""
    widest = 4 if isa.registers >= 32 else 2
    most = 24 if isa.registers >= 32 else 12
    found = []
    for first in range(0, vectors, widest):
        wide = min(widest, vectors - first)
        found.append((first, _Tile(wide, min(12, most // wide))))
    return found


def convolution_program(isa: Isa, vectors: int) -> str:
    """Return the LLVM IR of "sparse_conv": y [rows + threads, vectors] of weight [taps, channels, vectors].

    The rows behind the last one take what belongs to no output.
    """
    program = Program()
    with program.kernel("sparse_conv", FIELDS) as (code, job):
        thread, team = job.place_in_team()
        lists = job["scratch"] + thread * scratch_bytes()
        row, vector = 4 * isa.lanes * vectors, ir.VectorType(F32, isa.lanes)
        offsets = [4 * isa.lanes * v for v in range(vectors)]
        spare = job["rows"] + thread

        def begin_row(output: Value) -> None:
            for offset in offsets:
                code.store(code.load(vector, job["bias"] + offset), job["y"] + output * row + offset)

        def cut_off(place: Value) -> None:
            value = code.load(vector, job["y"] + place)
            code.store(code.select(value.compared("<", 0.0), 0.0, value), job["y"] + place)  # NaN stays

        def one_block(begin: Value, end: Value) -> None:
            code.loop(begin, end, 1, begin_row)
            begin_row(spare)

            def one_tap(tap: Value) -> None:
                count = list_pairs(code, isa, job, lists, tap, begin, end)
                _fill_up(code, lists, count, spare)
                weight = job["weight"] + tap * job["channels"] * row
                for first, tile in tiles(isa, vectors):
                    at = (weight + 4 * isa.lanes * first, job["y"] + 4 * isa.lanes * first)
                    _multiply(code, isa, job, lists, count, tile, row, *at)

            code.loop(0, job["taps"], 1, one_tap)
            with code.when(job["relu"].compared("!=", 0)):
                code.loop(begin * row, end * row, 4 * isa.lanes, cut_off)

        blocks_of_thread(code, job, thread, team, one_block)
    return program.text()


def blocks_of_thread(
    code: Code, job: KernelJob, thread: Value, team: Value, body: Callable[[Value, Value], None]
) -> None:
    """Write ``body(first output, behind the last one)`` for each block that a thread of a team takes."""
    blocks = (job["rows"] + (BLOCK - 1)) // BLOCK

    def one_block(block: Value) -> None:
        body(block * BLOCK, ((block + 1) * BLOCK).least(job["rows"]))

    code.loop(blocks * thread // team, blocks * (thread + 1) // team, 1, one_block)


def list_pairs(code: Code, isa: Isa, job: KernelJob, lists: Value, tap: Value, begin: Value, end: Value) -> Value:
    """Write the inputs of a block's outputs at a tap, and behind them those outputs; return how many there are."""
    table = job["table"] + (tap * job["rows"]) * 4
    behind = lists + BEHIND
    if isa.lanes == 16:
        kind = ir.VectorType(I32, 16)
        compress = code.intrinsic(
            "llvm.masked.compressstore",
            ir.VoidType(),
            [kind, POINTER, ir.VectorType(ir.IntType(1), 16)],
            suffix="v16i32",
        )
        lane = Value(code, ir.Constant(kind, list(range(16))))

        def some(first: Value, count: Value) -> list[Value]:
            there = code.first_lanes(end - first, 16)
            inputs = code.load_lanes(kind, table + first * 4, there)
            mask = inputs.compared(">=", 0) & there
            outputs = code.spread(code.convert("trunc", first, I32), 16) + lane
            for values, place in ((inputs, lists), (outputs, behind)):
                pointer = code.builder.inttoptr((place + count * 4).ir, POINTER)
                compress(values, Value(code, pointer), mask)
            bits = code.convert("bitcast", mask, I16)
            found = code.intrinsic("llvm.ctpop", I16, [I16], suffix="i16")(bits)
            return [count + code.convert("zext", found, I64)]

        return code.loop(begin, end, 16, some, [code.i64(0)])[0]

    def one(output: Value, count: Value) -> list[Value]:
        given = code.load(I32, table + output * 4)
        code.store(given, lists + count * 4)
        code.store(code.convert("trunc", output, I32), behind + count * 4)
        return [count + code.convert("zext", given.compared(">=", 0), I64)]

    return code.loop(begin, end, 1, one, [code.i64(0)])[0]


def _fill_up(code: Code, lists: Value, count: Value, spare: Value) -> None:
    """Write pairs of input 0 and an output that is none behind the last pair: rows are multiplied a few at a time."""
    vector = ir.VectorType(I32, 12)
    code.store(code.constant(vector, 0), lists + count * 4)
    code.store(code.spread(code.convert("trunc", spare, I32), 12), lists + BEHIND + count * 4)


def row_at(code: Code, place: Value, base: Value, size: Value | int) -> Value:
    """Return the address of the row whose number lies at a place."""
    return base + code.convert("sext", code.load(I32, place), I64) * size


def _multiply(
    code: Code, isa: Isa, job: KernelJob, lists: Value, count: Value, tile: _Tile, row: int, weight: Value, y: Value
) -> None:
    """Add to y the products of all listed rows with one tap's weight, over the vectors of a tile."""
    vector, behind = ir.VectorType(F32, isa.lanes), lists + BEHIND
    vectors, height = tile

    def some_pairs(first: Value) -> None:
        inputs = [row_at(code, lists + (first + r) * 4, job["x"], job["x_row"]) for r in range(height)]
        outputs = [row_at(code, behind + (first + r) * 4, y, row) for r in range(height)]
        places = [output + 4 * isa.lanes * v for output in outputs for v in range(vectors)]

        def one_channel(channel: Value, *sums: Value) -> list[Value]:
            given = [code.load(vector, weight + channel * row + 4 * isa.lanes * v) for v in range(vectors)]
            added: list[Value] = []
            for r, line in enumerate(inputs):
                number = code.spread(code.load(F32, line + channel * 4), isa.lanes)
                added += [code.fused(number, given[v], sums[r * vectors + v]) for v in range(vectors)]
            return added

        sums = code.loop(0, job["channels"], 1, one_channel, [code.load(vector, place) for place in places])
        for value, place in zip(sums, places, strict=True):
            code.store(value, place)

    code.loop(0, count, height, some_pairs)


def gradient_program(isa: Isa, vectors: int, channels: int) -> str:
    """Return the LLVM IR of "sparse_conv_gradient": that of a weight [taps, channels, vectors], which starts as zero.

    A thread takes taps, so that a sum is over the pairs in their order whatever the number of threads.
    """
    program = Program()
    with program.kernel("sparse_conv_gradient", FIELDS) as (code, job):
        thread, team = job.place_in_team()
        lists = job["scratch"] + thread * scratch_bytes()
        row = 4 * isa.lanes * vectors

        def one_tap(tap: Value) -> None:
            def one_block(begin: Value) -> None:
                end = (begin + BLOCK).least(job["rows"])
                count = list_pairs(code, isa, job, lists, tap, begin, end)
                weight = job["y"] + tap * (channels * row)
                for first, tile in tiles(isa, vectors):
                    _sum_outer(code, isa, job, lists, count, tile, row, channels, weight, 4 * isa.lanes * first)

            code.loop(0, job["rows"], BLOCK, one_block)

        code.loop(thread, job["taps"], team, one_tap)
    return program.text()


def _sum_outer(
    code: Code, isa: Isa, job: KernelJob, lists: Value, count: Value, tile: _Tile, row: int, channels: int, weight: Value,
    offset: int,
) -> None:  # fmt: skip
    """Add the outer products of listed inputs and gradients to one tap's gradient, over the vectors of a tile."""
    vector, behind = ir.VectorType(F32, isa.lanes), lists + BEHIND

    def some_channels(first: Value, height: int) -> None:
        places = [
            weight + (first + r) * row + (offset + 4 * isa.lanes * v)
            for r in range(height)
            for v in range(tile.vectors)
        ]
        x, gradient = job["x"] + first * 4, job["weight"] + offset

        def one_pair(pair: Value, *sums: Value) -> list[Value]:
            line = row_at(code, lists + pair * 4, x, job["x_row"])
            other = row_at(code, behind + pair * 4, gradient, job["w_row"])
            given = [code.load(vector, other + 4 * isa.lanes * v) for v in range(tile.vectors)]
            added: list[Value] = []
            for r in range(height):
                number = code.spread(code.load(F32, line + 4 * r), isa.lanes)
                added += [code.fused(number, given[v], sums[r * tile.vectors + v]) for v in range(tile.vectors)]
            return added

        sums = code.loop(0, count, 1, one_pair, [code.load(vector, place) for place in places])
        for value, place in zip(sums, places, strict=True):
            code.store(value, place)

    height = _even_height(channels, tile.height)
    whole = channels // height * height
    code.loop(0, code.i64(whole), height, lambda first: some_channels(first, height))
    if channels > whole:
        some_channels(code.i64(whole), channels - whole)


def _even_height(channels: int, most: int) -> int:
    """Return the largest height that leaves no smaller rest than half of itself, if any does."""
    for height in range(most, most // 2, -1):
        if channels % height == 0:
            return height
    return min(most, channels)
