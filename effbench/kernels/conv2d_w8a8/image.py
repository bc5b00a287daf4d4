"""Quantizes an image into the layout of which the product reads any tap of a kernel as one stream of pixels.

A pixel of four input channels is four uint8 codes, an int32. For each group of four channels, each column of the kernel and
each phase of its rows under the stride there is a copy of the padded image, of only the pixels that this column meets::

    copy[column, phase][row][w] = padded[row * stride_y + phase][w * stride_x + column]

so that rows are as wide as the result and follow each other without a gap. What tap (r, column) multiplies for the pixels of
the result, one after the other, begins in copy [column, r mod stride_y] at row r // stride_y: no vector ends with a row,
however narrow, and no pixel is computed in vain. The price is memory, a byte a code for each column of the kernel.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from effbench.kernels.dot import CODES_PER_WORD
from effbench.kernels.emitter import F32, I32, Code, KernelJob, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.row import ROUNDER

ADDRESSES = ("x", "copies", "planes", "not_finite")
FIELDS = (
    *ADDRESSES,
    "images", "channels", "height", "width", "group_bytes", "plane_bytes", "plane_pixels", "plane_width", "top", "left",
    "columns", "phases", "rows", "result_width", "stride_y", "stride_x", "same", "inverse", "low", "high", "zero",
)  # fmt: skip
"""Four addresses, sizes in bytes or elements, float32 as bits. ``same``: the result has the
image's size, and the padding a row at least; ``low`` and ``high``: the ends of the codes, less the zero point."""
GROUP = CODES_PER_WORD
"""Channels in an int32: what a dot product of bytes takes together."""


def real(code: Code, bits: Value) -> Value:
    """Return the float32 whose bits a job's field holds."""
    return code.convert("bitcast", code.convert("trunc", bits, I32), F32)


def write(program: Program, name: str, isa: Isa) -> None:
    """Write the function, for vectors of as many pixels as a register has lanes."""
    with program.kernel(name, FIELDS) as (code, job):
        lanes = isa.lanes
        thread, team = job.place_in_team()
        groups = (job["channels"] + (GROUP - 1)) // GROUP
        units = job["images"] * groups
        plane = job["planes"] + thread * job["plane_bytes"]
        is_same, is_other = (job["same"].compared("==", answer) for answer in (1, 0))
        blank = code.spread(code.convert("trunc", job["zero"], I32) * 0x01010101, lanes)
        with code.when(is_other):
            code.loop(0, job["plane_pixels"], lanes, lambda pixel: code.store(blank, plane + pixel * 4, 4))
        channel_bytes = job["height"] * job["width"] * 4

        def lay_out_group(unit: Value) -> None:
            image = unit // groups
            group = unit - image * groups
            present = (job["channels"] - group * GROUP).least(GROUP)
            source = job["x"] + (image * job["channels"] + group * GROUP) * channel_bytes
            channels = [source + channel_bytes * (present - 1).least(number) for number in range(GROUP)]
            target = job["copies"] + unit * job["group_bytes"]
            with code.when(is_same):
                _shift(code, job, channels, target, lanes)
                _pad(code, job, target, blank)
            with code.when(is_other):
                _fill(code, job, channels, plane, lanes)
                _copy(code, job, plane, target, lanes)

        code.loop(units * thread // team, units * (thread + 1) // team, 1, lay_out_group)


def _each_vector(code: Code, count: Value, lanes: int, write_pixels: Callable[[Value, Value | None], None]) -> None:
    """Write ``write_pixels(first pixel, mask)`` for the whole vectors of ``count`` pixels, without a mask, and the rest."""
    whole = count - (count & (lanes - 1))
    code.loop(0, whole, lanes, lambda pixel: write_pixels(pixel, None))
    code.loop(whole, count, lanes, lambda pixel: write_pixels(pixel, code.first_lanes(count - pixel, lanes)))


def _quantize(code: Code, job: KernelJob, channels: list[Value], shift: Value, lanes: int, mask: Value | None) -> Value:
    """Return the codes of the pixels ``shift`` bytes after the first of four channels; say so where one is not finite."""
    kind = ir.VectorType(F32, lanes)
    places = [channel + shift for channel in channels]
    x = [code.load(kind, place, 4) if mask is None else code.load_lanes(kind, place, mask) for place in places]
    codes, bad = _quantized(code, x, job)
    with code.when(bad):
        code.store(code.constant(I32, 1), job["not_finite"], 4)
    return codes


def _shift(code: Code, job: KernelJob, channels: list[Value], target: Value, lanes: int) -> None:
    """Store the pixels of an image whose result has its size: in each copy they are shifted as a whole, row after row.

    What a shift brings from one row into another, or beyond the image, lies where the padding is written afterwards.
    """

    def write_pixels(pixel: Value, mask: Value | None) -> None:
        codes = _quantize(code, job, channels, pixel * 4, lanes, mask)

        def store(column: Value) -> None:
            row = column * job["rows"] + job["top"]
            place = target + (row * job["width"] + pixel + job["left"] - column) * 4
            if mask is None:
                code.store(codes, place, 4)
            else:
                code.store_lanes(codes, place, mask)

        code.loop(0, job["columns"], 1, store)

    _each_vector(code, job["height"] * job["width"], lanes, write_pixels)


def _pad(code: Code, job: KernelJob, target: Value, blank: Value) -> None:
    """Write the zero point where copies of ``_shift`` have padding: above, below, and at the side they were shifted from."""
    lanes, width = blank.type.count, job["width"]

    def pad_copy(column: Value) -> None:
        first = target + column * job["rows"] * width * 4
        below = first + (job["top"] + job["height"]) * width * 4

        def pad_ends(pixel: Value) -> None:
            mask = code.first_lanes(job["top"] * width - pixel, lanes)
            code.store_lanes(blank, first + pixel * 4, mask)
            code.store_lanes(blank, below + pixel * 4, mask)

        code.loop(0, job["top"] * width, lanes, pad_ends)
        shift = column - job["left"]
        is_left = shift.compared("<", 0)
        side = code.select(is_left, code.i64(0), width - shift)

        def pad_row(row: Value) -> None:
            place = first + ((job["top"] + row) * width + side) * 4
            count = code.select(is_left, shift * -1, shift)
            code.loop(0, count, 1, lambda pixel: code.store(blank[0], place + pixel * 4, 4))

        code.loop(0, job["height"], 1, pad_row)

    code.loop(0, job["columns"], 1, pad_copy)


def _fill(code: Code, job: KernelJob, channels: list[Value], plane: Value, lanes: int) -> None:
    """Store an image's pixels inside the padding of a plane."""

    def fill_row(row: Value) -> None:
        inside = plane + ((row + job["top"]) * job["plane_width"] + job["left"]) * 4

        def write_pixels(pixel: Value, mask: Value | None) -> None:
            codes = _quantize(code, job, channels, (row * job["width"] + pixel) * 4, lanes, mask)
            if mask is None:
                code.store(codes, inside + pixel * 4, 4)
            else:
                code.store_lanes(codes, inside + pixel * 4, mask)

        _each_vector(code, job["width"], lanes, write_pixels)

    code.loop(0, job["height"], 1, fill_row)


def _quantized(code: Code, x: list[Value], job: KernelJob) -> tuple[Value, Value]:
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


def _copy(code: Code, job: KernelJob, plane: Value, target: Value, lanes: int) -> None:
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
