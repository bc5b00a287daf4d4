"""The program of ``linear_w8a8``: a thread quantizes a block of rows, then multiplies it with one panel of channels after another.

The codes of a block stay in the second-level cache while all panels pass; the sums of a tile of rows x channels stay in
registers until they are scaled and written. Every output depends on its row and its channel alone, whichever thread, block
or tile it falls into.
"""

from __future__ import annotations

from llvmlite import ir

from effbench.kernels.dot import CODES_PER_WORD, zero_point_pair
from effbench.kernels.emitter import I32, Code, Job, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.linear_w8a8.tile import ROW_RESULT, SCALE, ZERO, ZERO_PAIR, heights, tile
from effbench.kernels.quantize_rows.row import SETTINGS, SLACK, quantize_row, transformed_row

FIELDS = (
    *("x", "codes", "row_scale", "row_zero"),  # float32 rows; or 0, and codes with a float32 and an int32 a row
    *("rows", "inputs", "padded_inputs"),
    *("multiplier", "rotate"),  # float32 an input; function (row, multiplier, result); 0 where there is none
    *SETTINGS,
    *("panels", "panel_count", "corrections", "weight_scale", "bias"),
    *("y", "outputs"),
    *("scratch", "scratch_bytes", "block_rows"),  # scratch_bytes of each thread
)
QUANTIZATION_OUTPUTS = 80
"""How many outputs cost a row as much as its quantization; decides how threads share the work, never a result."""


def scratch_bytes(block_rows: int, padded_inputs: int, inputs: int) -> int:
    """Return the scratch memory of one thread: codes and results of a block of rows, and one row of float32."""
    return _in_lines(block_rows * padded_inputs + SLACK) + _in_lines(block_rows * ROW_RESULT) + _in_lines(4 * inputs + SLACK)


def _in_lines(size: int) -> int:
    return -(-size // 64) * 64


def linear_program(isa: Isa, width: int) -> str:
    """Return the LLVM IR of the kernel "linear_w8a8" for panels of ``width`` vectors of channels."""
    program = Program()
    quantize = quantize_row(program, isa)
    tiles = {height: tile(program, isa, height, width) for height in heights(isa, width)}
    with program.kernel("linear_w8a8", FIELDS) as (code, job):
        thread, team = job.place_in_team()
        rows, panels = _share(code, job, thread, team, max(tiles))
        block = job["scratch"] + thread * job["scratch_bytes"]

        def one_block(start: Value) -> None:
            count = job["block_rows"].least(rows[1] - start)
            code.loop(0, count, 1, lambda r: _fill(code, isa, job, quantize, block, start + r, r))
            code.loop(*panels, 1, lambda p: _panel(code, job, tiles, width * isa.lanes, block, start, count, p))

        code.loop(*rows, job["block_rows"], one_block)
    return program.text()


def _results(job: Job, block: Value) -> Value:
    """Return where the results of the rows of a block stand, behind their codes."""
    return block + ((job["block_rows"] * job["padded_inputs"] + (SLACK + 63)) & -64)


def _share(code: Code, job: Job, thread: Value, team: Value, tall: int) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
    """Return the (first, end) rows and panels of a thread: rows are split, and panels too where there are too few rows.

    Threads that split panels each quantize all their rows, which a narrow layer does not repay.
    """
    rows, panels, outputs = job["rows"], job["panel_count"], job["outputs"]
    strips = (rows + (tall - 1)) // tall
    ways = team.least(strips)
    by_rows = ((strips + ways - 1) // ways) * tall * (outputs + QUANTIZATION_OUTPUTS)
    by_panels = rows * (((panels + team - 1) // team) * (outputs // panels) + QUANTIZATION_OUTPUTS)
    ways = code.select(by_panels.compared("<", by_rows), 1, ways)
    others = team // ways
    place, other = thread // others, thread - thread // others * others
    per_way = (strips + ways - 1) // ways * tall
    first = (place * per_way).least(rows)
    end = (first + per_way).least(rows)
    end = code.select(place.compared("<", ways), end, first)  # a team that cannot be split evenly leaves some idle
    return (first, end), (panels * other // others, panels * (other + 1) // others)


def _fill(code: Code, isa: Isa, job: Job, quantize: ir.Function, block: Value, row: Value, place: Value) -> None:
    """Write the codes and the results of one row to its place in the block."""
    inputs, padded = job["inputs"], job["padded_inputs"]
    target, result = block + place * padded, _results(job, block) + place * ROW_RESULT
    are_codes = job["codes"].compared("!=", 0)
    with code.when(are_codes):
        code.store(code.constant(I32, 0), target + padded - CODES_PER_WORD)
        code.copy(target, job["codes"] + row * inputs, inputs)
        code.store(code.load(I32, job["row_scale"] + row * 4), result + SCALE)
        code.store(code.load(I32, job["row_zero"] + row * 4), result + ZERO)
    with code.when(job["codes"].compared("==", 0)):
        transformed = _results(job, block) + ((job["block_rows"] * ROW_RESULT + 63) & -64)
        source = transformed_row(code, isa, job, job["x"] + row * inputs * 4, transformed)
        code.call(quantize, source, inputs, target, result, *(job[setting] for setting in SETTINGS))
    code.store(zero_point_pair(code.load(I32, result + ZERO)), result + ZERO_PAIR)


def _panel(
    code: Code, job: Job, tiles: dict[int, ir.Function], columns: int, block: Value, start: Value, count: Value, panel: Value
) -> None:
    """Write y of a block of rows and one panel of channels, in tiles as tall as there are rows left."""
    padded, outputs = job["padded_inputs"], job["outputs"]
    results, column = _results(job, block), panel * columns
    stride = outputs * 4

    def one_tile(function: ir.Function, row: Value) -> None:
        code.call(
            function,
            *(block + row * padded, padded, job["panels"] + column * padded, padded >> 2),
            *(job[array] + column * 4 for array in ("corrections", "weight_scale", "bias")),
            *(results + row * ROW_RESULT, job["y"] + (start + row) * stride + column * 4, stride, outputs - column),
        )

    row = code.i64(0)
    for height, function in tiles.items():

        def turn(at: Value, _: Value, height: int = height, function: ir.Function = function) -> list[Value]:
            one_tile(function, at)
            return [at + height]

        (row,) = code.loop(row, count - (height - 1), height, turn, [row])
