"""The program of ``linear_w8a8`` and ``linear_w4a8``: quantize a block of rows, then take panel after panel of channels.

The codes of a block stay in the second-level cache while all panels pass; the sums of a tile of rows x channels stay in
registers until they are scaled and written. Every output depends on its row and its channel alone, whichever thread, block
or tile it falls into.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir

from effbench.kernels.adaln_quantize.program import MORE_FIELDS, modulated_row
from effbench.kernels.dot import CODES_PER_WORD, zero_point_pair
from effbench.kernels.emitter import F32, I32, Code, KernelJob, Program, Value
from effbench.kernels.gelu_quantize.program import activated_row, gated_row
from effbench.kernels.isa import Isa
from effbench.kernels.linear_w8a8 import amx
from effbench.kernels.linear_w8a8.tile import ROW_RESULT, SCALE, ZERO, ZERO_PAIR
from effbench.kernels.linear_w8a8.tiles import Tile, tiles_of
from effbench.kernels.quantize_rows.row import SETTINGS, SLACK, quantize_row, transformed_row

CALL_FIELDS = (
    *("x", "codes", "row_scale", "row_zero"),  # float32 rows; or 0, and codes with a float32 and an int32 a row
    *("rows", "y"),
    *("scratch", "scratch_bytes", "block_rows"),  # scratch_bytes of each thread
    *("before", *MORE_FIELDS),  # one of BEFORE, and what a modulation needs
    *("residual", "gate", "gate_stride"),  # [rows, O], [B, O] and the bytes of an item; 0 where there is none
)
LAYER_FIELDS = (
    *("inputs", "padded_inputs"),
    *("multiplier", "rotate"),  # float32 an input; function (row, multiplier, result); 0 where there is none
    *SETTINGS,
    *("panels", "panel_count", "corrections", "weight_scale"),  # the last two for each group of each channel
    *("scale_groups", "group_inputs", "channels", "offsets"),  # channels: outputs and what fills up the last panel
    *("bias", "outputs"),
    "tile_configuration",  # of AMX alone
)
FIELDS = (*CALL_FIELDS, *LAYER_FIELDS)
"""Of a job: what each call says anew, then what belongs to a layer."""
AS_IT_IS, ACTIVATED, GATED, MODULATED = range(4)
"""What makes a row before it is transformed and quantized: nothing, GELU, a product with GELU, LayerNorm and modulation."""
QUANTIZATION_OUTPUTS = 80
"""How many outputs cost a row as much as its quantization; decides how threads share the work, never a result."""

STRIP = 4
"""Rows that stay with one thread: tiles of fewer read a panel for too few products."""


def scratch_bytes(block_rows: int, padded_inputs: int, inputs: int, panel_bytes: int = 0) -> int:
    """Return the scratch memory of one thread: codes and results of a block of rows, a row of float32, an unpacked panel."""
    sizes = (block_rows * padded_inputs + SLACK, block_rows * ROW_RESULT, 4 * inputs + SLACK, panel_bytes)
    return sum(-(-size // 64) * 64 for size in sizes)


PanelSource = Callable[[Code, KernelJob, Value, Value], Value]
"""Given the number of a panel and a place for its int8 codes, returns where they are."""


def stored_panel(width: int, isa: Isa) -> PanelSource:
    """Return the source of panels that lie in memory as they are multiplied."""
    return lambda code, job, panel, place: job["panels"] + panel * (width * isa.lanes) * job["padded_inputs"]


def linear_program(isa: Isa, width: int, name: str, panel_source: PanelSource) -> str:
    """Return the LLVM IR of the kernel ``name`` for panels of ``width`` vectors of channels."""
    program = Program()
    quantize = quantize_row(program, isa)
    tiles = tiles_of(program, isa, width)
    has_registers = isa.name == amx.NAME
    with program.kernel(name, FIELDS) as (code, job):
        if has_registers:
            amx.instruction(code, "ldtilecfg", amx.pointer(code, job["tile_configuration"]))
        thread, team = job.place_in_team()
        rows, panels = _share(code, job, thread, team)
        block = job["scratch"] + thread * job["scratch_bytes"]

        def one_block(start: Value) -> None:
            count = job["block_rows"].least(rows[1] - start)
            code.loop(0, count, 1, lambda r: _fill(code, isa, job, quantize, block, start + r, r))

            def one_panel(number: Value) -> None:
                panel = panel_source(code, job, number, _row(job, block) + ((job["inputs"] * 4 + (SLACK + 63)) & -64))
                column = number * (width * isa.lanes)
                code.loop(
                    0, job["scale_groups"], 1, lambda g: _group(code, job, tiles, block, panel, column, start, count, g)
                )

            code.loop(*panels, 1, one_panel)
            first, last = ((end * (width * isa.lanes)).least(job["outputs"]) for end in panels)
            with code.when(job["residual"].compared("!=", 0)):
                code.loop(start, start + count, 1, lambda r: _add_to_residual(code, isa, job, r, (first, last)))

        code.loop(*rows, job["block_rows"], one_block)
        if has_registers:
            amx.instruction(code, "tilerelease")
    return program.text()


def _results(job: KernelJob, block: Value) -> Value:
    """Return where the results of the rows of a block stand, behind their codes."""
    return block + ((job["block_rows"] * job["padded_inputs"] + (SLACK + 63)) & -64)


def _row(job: KernelJob, block: Value) -> Value:
    """Return where a row of float32 is transformed, behind the results."""
    return _results(job, block) + ((job["block_rows"] * ROW_RESULT + 63) & -64)


def _share(code: Code, job: KernelJob, thread: Value, team: Value) -> tuple[tuple[Value, Value], tuple[Value, Value]]:
    """Return the (first, end) rows and panels of a thread: rows are split, and panels too where there are too few rows.

    Threads that split panels each quantize all their rows, which a narrow layer does not repay.
    """
    rows, panels, outputs = job["rows"], job["panel_count"], job["outputs"]
    strips = (rows + (STRIP - 1)) // STRIP
    ways = team.least(strips)
    by_rows = ((strips + ways - 1) // ways) * STRIP * (outputs + QUANTIZATION_OUTPUTS)
    by_panels = rows * (((panels + team - 1) // team) * (outputs // panels) + QUANTIZATION_OUTPUTS)
    ways = code.select(by_panels.compared("<", by_rows), 1, ways)
    others = team // ways
    place, other = thread // others, thread - thread // others * others
    per_way = (strips + ways - 1) // ways * STRIP
    first = (place * per_way).least(rows)
    end = (first + per_way).least(rows)
    end = code.select(place.compared("<", ways), end, first)  # a team that cannot be split evenly leaves some idle
    return (first, end), (panels * other // others, panels * (other + 1) // others)


def _fill(code: Code, isa: Isa, job: KernelJob, quantize: ir.Function, block: Value, row: Value, place: Value) -> None:
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
        plain, made = job["x"] + row * inputs * 4, _row(job, block)
        for kind, make in ((ACTIVATED, activated_row), (GATED, gated_row), (MODULATED, modulated_row)):
            with code.when(job["before"].compared("==", kind)):
                make(code, isa, job, row, made)
        source = code.select(job["before"].compared("==", AS_IT_IS), plain, made)
        source = transformed_row(code, isa, job, source, made)
        code.call(quantize, source, inputs, target, result, *(job[setting] for setting in SETTINGS))
    code.store(zero_point_pair(code.load(I32, result + ZERO)), result + ZERO_PAIR)


def _add_to_residual(code: Code, isa: Isa, job: KernelJob, row: Value, columns: tuple[Value, Value]) -> None:
    """Write residual + gate * y over y in a row's columns, first to end; each product is rounded before it is added."""
    vector = ir.VectorType(F32, isa.lanes)
    y, residual = (job[field] + row * job["outputs"] * 4 for field in ("y", "residual"))
    gate = job["gate"] + (row // job["rows_per_item"]) * job["gate_stride"]

    def turn(i: Value, is_gated: bool) -> None:
        mask = code.first_lanes(columns[1] - i, isa.lanes)
        value = code.load_lanes(vector, y + i * 4, mask)
        if is_gated:
            value = value * code.load_lanes(vector, gate + i * 4, mask)
        code.store_lanes(value + code.load_lanes(vector, residual + i * 4, mask), y + i * 4, mask)

    for condition, is_gated in (("!=", True), ("==", False)):
        with code.when(job["gate"].compared(condition, 0)):
            code.loop(columns[0], columns[1], isa.lanes, lambda i, is_gated=is_gated: turn(i, is_gated))


def _group(
    code: Code,
    job: KernelJob,
    tiles: Sequence[Tile],
    block: Value,
    panel: Value,
    column: Value,
    start: Value,
    count: Value,
    group: Value,
) -> None:
    """Write y of a block of rows and one panel for one group of inputs, or add to it, in tiles as tall as rows are left.

    ``column`` is the panel's first channel, ``start`` the block's first row and ``count`` its rows.
    """
    inputs, padded, stride = job["group_inputs"], job["padded_inputs"], job["outputs"] * 4
    channel = (group * job["channels"] + column) * 4
    first = job["y"] + start * stride + column * 4
    is_first = group.compared("==", 0)
    columns = job["channels"] // job["panel_count"]

    def one_tile(function: ir.Function, row: Value) -> None:
        y = first + row * stride
        code.call(
            function,
            *(block + row * padded + group * inputs, padded, panel + group * inputs * columns, (inputs + 3) >> 2),
            *(job["corrections"] + channel, job["weight_scale"] + channel),
            *(code.select(is_first, job["bias"] + column * 4, y), code.select(is_first, 0, stride)),
            *(_results(job, block) + row * ROW_RESULT, y, stride, job["outputs"] - column, count - row),
        )

    row = code.i64(0)
    for least, step, function in tiles:

        def turn(at: Value, _: Value, step: int = step, function: ir.Function = function) -> list[Value]:
            one_tile(function, at)
            return [(at + step).least(count)]

        (row,) = code.loop(row, count - (least - 1), step, turn, [row])
