"""The program of ``window_attention``: tiles of rows of one head, over the keys that any of their rows sees.

Lanes are rows. A score is a number of a key, spread, times a vector of queries; a result is a number of a value, spread,
times a vector of weights: keys and values are read as they lie in memory, and the softmax of a row stays in its lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llvmlite import ir

from effbench.kernels.emitter import F32, I32, Code, KernelJob, Program, Value
from effbench.kernels.gelu_quantize.program import power_of_2
from effbench.kernels.isa import Isa

STRIDES = tuple(f"{name}_{axis}" for name in ("q", "k", "v", "residual", "y") for axis in ("item", "head", "row"))
FIELDS = (
    *("q", "k", "v", "residual", "y"),  # addresses; residual 0 where there is none
    *STRIDES,  # bytes
    *("items", "heads", "tokens", "half_width"),
    *("scale", "scratch", "scratch_bytes"),  # the bits of a float32, to powers of 2; scratch_bytes of each thread
)
ROWS = 64
"""Of a tile: with its queries, weights and results it stays in the first-level cache."""
KEYS = 96
"""Of a block, whose scores are made before its weights are."""
HEIGHT = 6
"""Keys, or numbers of a value, that are multiplied at a time: 6 x 4 sums, or 6 x 2, are what registers hold."""
UNSEEN = -1e30
"""The score of a key outside a row's band."""


class Scratch(NamedTuple):
    """Addresses in the memory of a thread: queries [D, rows], scores [keys, rows], results [D, rows], three of [rows]."""

    queries: Value
    scores: Value
    results: Value
    largest: Value
    sums: Value
    kept: Value


def scratch_bytes(width: int) -> int:
    """Return the scratch memory of one thread."""
    return 4 * ROWS * (2 * width + KEYS + 3)


def attention_program(isa: Isa, width: int) -> str:
    """Return the LLVM IR of the kernel "window_attention" for heads of ``width`` numbers."""
    program = Program()
    with program.kernel("window_attention", FIELDS) as (code, job):
        thread, team = job.place_in_team()
        start, pieces = job["scratch"] + thread * job["scratch_bytes"], []
        for numbers in (width, KEYS, width, 1, 1, 1):
            pieces.append(start)
            start = start + 4 * ROWS * numbers
        scratch = Scratch(*pieces)
        tiles = (job["tokens"] + (ROWS - 1)) // ROWS
        units = job["items"] * job["heads"] * tiles

        def one_tile(unit: Value) -> None:
            head = unit // tiles
            _tile(code, isa, job, scratch, width, head // job["heads"], head, (unit - head * tiles) * ROWS)

        code.loop(units * thread // team, units * (thread + 1) // team, 1, one_tile)
    return program.text()


def _tile(
    code: Code, isa: Isa, job: KernelJob, scratch: Scratch, width: int, item: Value, head: Value, begin: Value
) -> None:
    """Write the rows from ``begin`` on of a head, numbered over all items."""
    head = head - item * job["heads"]
    at = {name: job[name] + item * job[f"{name}_item"] + head * job[f"{name}_head"] for name in "qkvy"}
    rows = (job["tokens"] - begin).least(ROWS)
    _turn_queries(code, job, scratch, width, at["q"] + begin * job["q_row"], rows)
    vector = ir.VectorType(F32, isa.lanes)

    def clear(place: Value) -> None:
        code.store(code.constant(vector, 0.0), scratch.results + place * 4)

    code.loop(0, code.i64(width * ROWS), isa.lanes, clear)

    def begin_rows(place: Value) -> None:
        code.store(code.constant(vector, UNSEEN), scratch.largest + place)
        code.store(code.constant(vector, 0.0), scratch.sums + place)

    code.loop(0, code.i64(4 * ROWS), 4 * isa.lanes, begin_rows)

    def one_block(first: Value) -> None:
        keys = (high - first).least(KEYS)
        _score(code, isa, scratch, width, at["k"] + first * job["k_row"], job["k_row"], keys)
        _weigh(code, isa, job, scratch, begin, first, keys)
        _add_values(code, isa, scratch, width, at["v"] + first * job["v_row"], job["v_row"], keys)

    high = (begin + rows + job["half_width"]).least(job["tokens"])
    code.loop((begin - job["half_width"]).greatest(0), high, KEYS, one_block)
    residual = job["residual"] + item * job["residual_item"] + head * job["residual_head"]
    _write(code, isa, job, scratch, width, at["y"] + begin * job["y_row"], residual + begin * job["residual_row"], rows)


def _turn_queries(code: Code, job: KernelJob, scratch: Scratch, width: int, q: Value, rows: Value) -> None:
    """Write the queries of a tile, scaled, as [D, rows]; the last one again where there are fewer."""
    scale = code.convert("bitcast", code.convert("trunc", job["scale"], I32), F32)

    def one_row(r: Value) -> None:
        row = q + r.least(rows - 1) * job["q_row"]
        place = scratch.queries + r * 4
        code.loop(
            0, code.i64(width), 1, lambda d: code.store(code.load(F32, row + d * 4) * scale, place + d * (4 * ROWS))
        )

    code.loop(0, code.i64(ROWS), 1, one_row)


def _for_groups(code: Code, isa: Isa, body: Callable[[Value], None]) -> None:
    """Write ``body(offset in bytes)`` for each group of rows that is multiplied at a time."""
    code.loop(0, code.i64(4 * ROWS), 4 * isa.lanes * _vectors(isa), body)


def _vectors(isa: Isa) -> int:
    return 4 if isa.registers >= 32 else 2


def _accumulate(
    code: Code, isa: Isa, sums: Sequence[Value], numbers: Sequence[Value], step: Value, panel: Value, count: Value
) -> list[Value]:
    """Return sums [numbers][vectors] with ``count`` products added of a number, ``step`` bytes on each, and a row of rows."""
    vector, wide = ir.VectorType(F32, isa.lanes), _vectors(isa)

    def turn(i: Value, *sums: Value) -> list[Value]:
        rows = [code.load(vector, panel + i * (4 * ROWS) + 4 * isa.lanes * v) for v in range(wide)]
        added = []
        for place, number in enumerate(numbers):
            spread = code.spread(code.load(F32, number + i * step), isa.lanes)
            added += [code.fused(spread, rows[v], sums[place * wide + v]) for v in range(wide)]
        return added

    return code.loop(0, count, 1, turn, sums)


def _places(isa: Isa, target: Value, height: int) -> list[Value]:
    """Return where the sums of ``height`` numbers and a group of rows lie in an array of [numbers, rows]."""
    return [target + 4 * (ROWS * place + isa.lanes * v) for place in range(height) for v in range(_vectors(isa))]


def _score(code: Code, isa: Isa, scratch: Scratch, width: int, k: Value, stride: Value, keys: Value) -> None:
    """Write the scores of a block of keys; beyond the last one, that of the last one again."""
    zero = code.constant(ir.VectorType(F32, isa.lanes), 0.0)

    def some_keys(first: Value) -> None:
        numbers = [k + (first + place).least(keys - 1) * stride for place in range(HEIGHT)]

        def one_group(group: Value) -> None:
            places = _places(isa, scratch.scores + first * (4 * ROWS) + group, HEIGHT)
            none, panel = [zero] * len(places), scratch.queries + group
            sums = _accumulate(code, isa, none, numbers, code.i64(4), panel, code.i64(width))
            for value, place in zip(sums, places, strict=True):
                code.store(value, place)

        _for_groups(code, isa, one_group)

    code.loop(0, keys, HEIGHT, some_keys)


def _weigh(code: Code, isa: Isa, job: KernelJob, scratch: Scratch, begin: Value, first: Value, keys: Value) -> None:
    """Turn the scores of a block of keys into weights, 0 outside of each row's band, under the largest score so far."""
    vector, integers = ir.VectorType(F32, isa.lanes), ir.VectorType(I32, isa.lanes)
    lane = Value(code, ir.Constant(integers, list(range(isa.lanes))))
    widest = code.spread(code.convert("trunc", job["half_width"] * 2, I32), isa.lanes)

    def some_rows(rows: Value) -> None:
        scores = scratch.scores + rows * 4
        ahead = code.convert("trunc", first - begin + job["half_width"] - rows, I32)
        nearest = code.spread(ahead, isa.lanes) - lane  # of the first key, from where the band of each row begins

        def mask(j: Value, largest: Value) -> list[Value]:
            place = scores + j * (4 * ROWS)
            offset = nearest + code.spread(code.convert("trunc", j, I32), isa.lanes)
            seen = offset.compared(">=", 0) & offset.compared("<=", widest)
            score = code.select(seen, code.load(vector, place), UNSEEN)
            code.store(score, place)
            return [score.greatest(largest)]

        before = code.load(vector, scratch.largest + rows * 4)
        (largest,) = code.loop(0, keys, 1, mask, [before])
        kept = power_of_2(code, isa, before - largest)

        def weigh(j: Value, total: Value) -> list[Value]:
            place = scores + j * (4 * ROWS)
            score = code.load(vector, place)
            weight = power_of_2(code, isa, score - largest) + (score - score)  # NaN of what is not finite
            weight = code.select(score.compared("<=", UNSEEN), 0.0, weight)
            code.store(weight, place)
            return [total + weight]

        (total,) = code.loop(0, keys, 1, weigh, [code.load(vector, scratch.sums + rows * 4) * kept])
        for value, place in ((largest, scratch.largest), (total, scratch.sums), (kept, scratch.kept)):
            code.store(value, place + rows * 4)

    code.loop(0, code.i64(ROWS), isa.lanes, some_rows)


def _add_values(code: Code, isa: Isa, scratch: Scratch, width: int, v: Value, stride: Value, keys: Value) -> None:
    """Add the values of a block of keys to the results, which are brought under the new largest score before."""
    vector = ir.VectorType(F32, isa.lanes)

    def some_numbers(first: Value, height: int) -> None:
        numbers = [v + (first + place) * 4 for place in range(height)]

        def one_group(group: Value) -> None:
            places = _places(isa, scratch.results + first * (4 * ROWS) + group, height)
            kept = [code.load(vector, place) for place in _places(isa, scratch.kept + group, 1)]
            sums = [code.load(vector, place) * kept[n % len(kept)] for n, place in enumerate(places)]
            sums = _accumulate(code, isa, sums, numbers, stride, scratch.scores + group, keys)
            for value, place in zip(sums, places, strict=True):
                code.store(value, place)

        _for_groups(code, isa, one_group)

    whole = width // HEIGHT * HEIGHT
    code.loop(0, code.i64(whole), HEIGHT, lambda first: some_numbers(first, HEIGHT))
    if width > whole:
        some_numbers(code.i64(whole), width - whole)


def _write(
    code: Code, isa: Isa, job: KernelJob, scratch: Scratch, width: int, y: Value, residual: Value, rows: Value
) -> None:
    """Write the rows of a tile, each divided by the sum of its weights, plus the residual where there is one."""
    vector = ir.VectorType(F32, isa.lanes)

    def some_rows(place: Value) -> None:
        inverse = code.constant(vector, 1.0) / code.load(vector, scratch.sums + place)

        def scale(d: Value) -> None:
            at = scratch.results + place + d * (4 * ROWS)
            code.store(code.load(vector, at) * inverse, at)

        code.loop(0, code.i64(width), 1, scale)

    code.loop(0, code.i64(4 * ROWS), 4 * isa.lanes, some_rows)
    is_given = job["residual"].compared("!=", 0)

    def one_row(r: Value) -> None:
        row, own = scratch.results + r * 4, y + r * job["y_row"]
        # Without a residual a row adds numbers of itself that are then left out.
        other = code.select(is_given, residual + r * job["residual_row"], own)

        def one_number(d: Value) -> None:
            number = code.load(F32, row + d * (4 * ROWS))
            added = code.select(is_given, number + code.load(F32, other + d * 4), number)
            code.store(added, own + d * 4)

        code.loop(0, code.i64(width), 1, one_number)

    code.loop(0, rows, 1, one_row)
