"""Quantizes an image into the layout of which the product reads any tap of a kernel as one stream of pixels.

A pixel of four input channels is four uint8 codes, an int32. For each group of four channels, each column of the kernel and each
phase of its rows under the stride there is a copy of the padded image, and of it only the pixels that this column meets::

    copy[column, phase][row][w] = padded[row * stride_y + phase][w * stride_x + column]

so that rows are as wide as the result and follow each other without a gap. What tap (r, column) multiplies for the pixels of the
result, one after the other, begins in copy [column, r mod stride_y] at row r // stride_y: no vector ends with a row, however
narrow, and nothing is computed for the padding. The price is memory, a byte a code for each column of the kernel.
"""

from __future__ import annotations

from llvmlite import ir

from effbench.kernels.dot import CODES_PER_WORD
from effbench.kernels.emitter import F32, I32, Code, Job, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.row import ROUNDER

FIELDS = (
    "x", "copies", "planes", "not_finite",
    "images", "channels", "height", "width", "group_bytes", "plane_bytes", "plane_pixels", "plane_width", "first_pixel",
    "columns", "phases", "rows", "result_width", "stride_y", "stride_x", "direct", "inverse", "low", "high", "zero",
)  # fmt: skip
"""Four addresses, sizes in bytes or elements, float32 as bits. ``low`` and ``high``: the ends of the codes, less the zero point."""
GROUP = CODES_PER_WORD
"""Channels in an int32: what a dot product of bytes takes together."""


def real(code: Code, bits: Value) -> Value:
    """Return the float32 whose bits a job's field holds."""
    return code.convert("bitcast", code.convert("trunc", bits, I32), F32)


def write(program: Program, name: str, isa: Isa) -> None:
    """Write the function, for vectors of as many pixels as a register has lanes."""
    lanes = isa.lanes
    with program.kernel(name, FIELDS) as (code, job):
        thread, team = job.place_in_team()
        groups = (job["channels"] + (GROUP - 1)) // GROUP
        units = job["images"] * groups
        plane = job["planes"] + thread * job["plane_bytes"]
        padded = job["direct"].compared("==", 0)
        blank = code.spread(code.convert("trunc", job["zero"], I32) * 0x01010101, lanes)
        with code.when(padded):
            code.loop(0, job["plane_pixels"], lanes, lambda pixel: code.store(blank, plane + pixel * 4, 4))
        channel_bytes = job["height"] * job["width"] * 4
        row_bytes = job["plane_width"] * 4

        def quantize_group(unit: Value) -> None:
            image = unit // groups
            group = unit - image * groups
            present = (job["channels"] - group * GROUP).least(GROUP)
            source = job["x"] + (image * job["channels"] + group * GROUP) * channel_bytes
            channels = [source + channel_bytes * (present - 1).least(number) for number in range(GROUP)]
            target = job["copies"] + unit * job["group_bytes"]
            origin = code.select(padded, plane + job["first_pixel"] * 4, target)

            def quantize_row(row: Value) -> None:
                def quantize_pixels(column: Value) -> None:
                    mask = code.first_lanes(job["width"] - column, lanes)
                    shift = (row * job["width"] + column) * 4
                    x = [code.load_lanes(ir.VectorType(F32, lanes), channel + shift, mask) for channel in channels]
                    codes, bad = _quantized(code, x, job)
                    code.store_lanes(codes, origin + row * row_bytes + column * 4, mask)
                    with code.when(bad):
                        code.store(code.constant(I32, 1), job["not_finite"], 4)

                code.loop(0, job["width"], lanes, quantize_pixels)

            code.loop(0, job["height"], 1, quantize_row)
            with code.when(padded):
                _copy(code, job, plane, target, lanes)

        code.loop(units * thread // team, units * (thread + 1) // team, 1, quantize_group)


def _quantized(code: Code, x: list[Value], job: Job) -> tuple[Value, Value]:
    """Return pixels of four channels as codes, and whether any was not finite."""
    lanes = x[0].type.count
    wide = ir.VectorType(I32, lanes)
    inverse, low, high = (code.spread(real(code, job[end]), lanes) for end in ("inverse", "low", "high"))
    zero = code.spread(code.convert("trunc", job["zero"], I32), lanes)
    codes, witness = code.constant(wide, 0), code.constant(x[0].type, 0)
    for channel, values in enumerate(x):
        witness = code.fused(values, code.constant(values.type, 0), witness)  # 0 times what is not finite is NaN
        rounded = code.convert("bitcast", (values * inverse).greatest(low).least(high) + ROUNDER, wide)
        codes = codes | (((rounded + zero) & 255) << 8 * channel)
    bad = code.convert("bitcast", witness.compared("!=", witness), ir.IntType(lanes))
    return codes, bad.compared("!=", 0)


def _copy(code: Code, job: Job, plane: Value, target: Value, lanes: int) -> None:
    """Copy a padded plane for each column and phase; a row's last vector may run over, into what is written after it."""
    width, adjacent = job["result_width"], job["stride_x"].compared("==", 1)

    def copy_column(column: Value) -> None:
        def copy_phase(phase: Value) -> None:
            def copy_row(row: Value) -> None:
                source = plane + ((row * job["stride_y"] + phase) * job["plane_width"] + column) * 4
                goal = target + (((column * job["phases"] + phase) * job["rows"] + row) * width) * 4

                def copy_vector(w: Value) -> None:
                    code.store(code.load(ir.VectorType(I32, lanes), source + w * 4, 4), goal + w * 4, 4)

                def copy_pixel(w: Value) -> None:
                    code.store(code.load(I32, source + w * job["stride_x"] * 4, 4), goal + w * 4, 4)

                code.loop(0, code.select(adjacent, width, 0), lanes, copy_vector)
                code.loop(0, code.select(adjacent, 0, width), 1, copy_pixel)

            code.loop(0, job["rows"], 1, copy_row)

        code.loop(0, job["phases"], 1, copy_phase)

    code.loop(0, job["columns"], 1, copy_column)
