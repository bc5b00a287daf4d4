"""The program of the importance predictor in evaluation: its four convolutions, row by row, of a map that stays in the cache.

A thread takes rows of a map. It keeps the last rows of each layer, and makes of them the next row of the layer behind: three
passes of grouped 3x3 convolution, norm (folded) and sigmoid, then the linear layer to the classes, whose mean goes out. Rows
that two threads need are computed by both, so that a result does not depend on their number.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from llvmlite import ir

from effbench.kernels.emitter import F32, Code, KernelJob, Program, Value
from effbench.kernels.gelu_quantize.program import power_of_2
from effbench.kernels.isa import Isa

GROUPS = 8
"""Channels that come in, and groups of the convolutions."""
FIELDS = ("x", "parameters", "y", "scratch", "images", "rows", "columns")
"""Four addresses; numbers of cells."""
SIDE = 16
"""Zeros before and behind each row: the widest vector, so that a neighbour of a border is read like any other."""
HELD = 4
"""Rows of a layer that a thread keeps: three, and a fourth for rows to be numbered by their last two bits."""
LOG2_E = math.log2(math.e)
"""exp(x) is 2 to this times x."""


class PredictorLayer(NamedTuple):
    """A grouped 3x3 convolution: channels of a group that come in and that go out."""

    inputs: int
    outputs: int

    @property
    def parameters(self) -> int:
        """Weights and shifts of a group."""
        return self.outputs * (9 * self.inputs + 1)


LAYERS = (PredictorLayer(1, 1), PredictorLayer(1, 2), PredictorLayer(2, 1))
"""8 -> 8 -> 16 -> 8 channels."""


def row_bytes(columns: Value | int) -> Value | int:
    """Return the bytes of a row of one channel: whole vectors of cells, and a side on each end."""
    return ((columns + (SIDE - 1)) // SIDE * SIDE + 2 * SIDE) * 4


def scratch_bytes(columns: int) -> int:
    """Return the scratch memory of one thread; it has to be zero."""
    return HELD * GROUPS * sum(layer.outputs for layer in LAYERS) * int(row_bytes(columns))  # type: ignore[arg-type]


def predictor_program(isa: Isa, classes: int) -> str:
    """Return the LLVM IR of the kernel "importance": y [images, rows, whole vectors] of x [images, rows + 2, 8, row]."""
    program = Program()
    with program.kernel("importance", FIELDS) as (code, job):
        thread, team = job.place_in_team()
        row = row_bytes(job["columns"])
        assert isinstance(row, Value)
        first, last = job["rows"] * thread // team, job["rows"] * (thread + 1) // team
        ring, rings = job["scratch"] + thread * (row * (HELD * GROUPS * sum(layer.outputs for layer in LAYERS))), []
        for layer in LAYERS:
            rings.append(ring)
            ring = ring + row * (HELD * GROUPS * layer.outputs)

        def held(layer: int, number: Value) -> Value:
            """Return where a thread keeps a row of a layer."""
            return rings[layer] + (number & (HELD - 1)) * (row * (GROUPS * LAYERS[layer].outputs))

        def one_image(image: Value) -> None:
            x = job["x"] + image * (job["rows"] + 2) * (row * GROUPS)
            y = job["y"] + image * job["rows"] * (row - 8 * SIDE)

            def one_row(newest: Value) -> None:
                parameters = job["parameters"]
                for number, layer in enumerate(LAYERS):
                    own = newest - number
                    above = [own + (step - 1) for step in range(3)]
                    lines = [held(number - 1, r) if number else x + _near(job, r) * (row * GROUPS) for r in above]
                    with code.when(own.compared(">=", first - (2 - number))):
                        inside = own.compared(">=", 0) & own.compared("<", job["rows"])
                        _row_of_layer(
                            code, isa, layer, lines, held(number, own), row, job["columns"], parameters, inside
                        )
                    parameters = parameters + 4 * GROUPS * layer.parameters
                done = newest - 2
                with code.when(done.compared(">=", first)):
                    target = y + done * (row - 8 * SIDE)
                    _row_of_classes(code, isa, classes, held(2, done), target, row, job["columns"], parameters)

            code.loop(first - 2, last + 2, 1, one_row)

        code.loop(0, job["images"], 1, one_image)
    return program.text()


def _near(job: KernelJob, row: Value) -> Value:
    """Return the place of a row of x, whose first and last are zero; rows beyond are not used, and read as those."""
    return (row + 1).greatest(0).least(job["rows"] + 1)


def _row_of_layer(
    code: Code, isa: Isa, layer: PredictorLayer, lines: list[Value], target: Value, row: Value, columns: Value,
    parameters: Value, inside: Value,
) -> None:  # fmt: skip
    """Write a row of a layer's outputs, group by group, of three rows of its inputs; zeros where it lies outside."""
    vector, lanes = ir.VectorType(F32, isa.lanes), isa.lanes
    limit = code.select(inside, columns, code.i64(0))

    def one_group(group: Value) -> None:
        own = parameters + group * (4 * layer.parameters)
        numbers = [code.spread(code.load(F32, own + 4 * n), lanes) for n in range(layer.parameters)]
        shifts = numbers[9 * layer.inputs * layer.outputs :]

        def some_cells(cell: Value) -> None:
            at = (cell + SIDE) * 4
            sums = list(shifts)
            for i in range(layer.inputs):
                for dy, line in enumerate(lines):
                    for dx in range(3):
                        given = code.load(vector, line + (group * layer.inputs + i) * row + at + 4 * (dx - 1))
                        for o in range(layer.outputs):
                            weight = numbers[(o * layer.inputs + i) * 9 + 3 * dy + dx]
                            sums[o] = code.fused(given, weight, sums[o])
            mask = code.first_lanes(limit - cell, lanes)
            for o in range(layer.outputs):
                value = code.select(mask, _sigmoid(code, isa, sums[o]), 0.0)
                code.store(value, target + (group * layer.outputs + o) * row + at)

        code.loop(0, columns, lanes, some_cells)

    code.loop(0, code.i64(GROUPS), 1, one_group)


def _row_of_classes(
    code: Code, isa: Isa, classes: int, line: Value, target: Value, row: Value, columns: Value, parameters: Value
) -> None:
    """Write the mean over classes of a row, of the last layer's outputs."""
    vector, lanes = ir.VectorType(F32, isa.lanes), isa.lanes

    def some_cells(cell: Value) -> None:
        given = [code.load(vector, line + row * g + (cell + SIDE) * 4) for g in range(GROUPS)]
        total = code.constant(vector, 0.0)
        for number in range(classes):
            own = parameters + 4 * number * (GROUPS + 1)
            value = code.spread(code.load(F32, own + 4 * GROUPS), lanes)
            for g in range(GROUPS):
                value = code.fused(given[g], code.spread(code.load(F32, own + 4 * g), lanes), value)
            total = total + _sigmoid(code, isa, value)
        code.store(total * (1 / classes), target + cell * 4)

    code.loop(0, columns, lanes, some_cells)


def _sigmoid(code: Code, isa: Isa, value: Value) -> Value:
    return code.constant(value.type, 1.0) / (power_of_2(code, isa, value * -LOG2_E) + 1.0)
