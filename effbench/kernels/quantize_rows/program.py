"""The program of every operation that makes quantized rows: a source writes or finds a row, which is transformed and quantized."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from effbench.kernels.emitter import I32, Code, Job, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.row import SETTINGS, SLACK, quantize_row, transformed_row

FIELDS = (
    *("x", "rows", "inputs"),
    *("multiplier", "rotate"),
    *SETTINGS,
    *("codes", "scale", "zero", "sums"),  # results: uint8 rows; float32, int32 and int32 a row
    *("scratch", "scratch_bytes"),  # scratch_bytes of each thread
)
"""Fields of the job, before those that a source asks for."""
RESULT_BYTES = 64
"""Of scratch memory that ``quantize_row`` writes what belongs to a row to."""

Source = Callable[[Code, Job, Value, Value], Value]
"""Called with the number of a row and the address of a place for one (``inputs`` float32 and a vector of slack); writes the
instructions that find or make the row and returns its address."""


def scratch_bytes(inputs: int) -> int:
    """Return the scratch memory of one thread: what belongs to a row, a row of float32 and its codes."""
    return RESULT_BYTES + -(-(5 * inputs + 2 * SLACK) // 64) * 64


def rows_program(isa: Isa, name: str, source: Source, more_fields: Sequence[str] = ()) -> str:
    """Return the LLVM IR of a kernel that quantizes the rows which a source finds or makes of x, after their transform."""
    program = Program()
    quantize = quantize_row(program, isa)
    with program.kernel(name, (*FIELDS, *more_fields)) as (code, job):
        thread, team = job.place_in_team()
        rows, inputs = job["rows"], job["inputs"]
        result = job["scratch"] + thread * job["scratch_bytes"]
        place = result + RESULT_BYTES
        codes = place + ((inputs * 4 + (SLACK + 63)) & -64)

        def one_row(row: Value) -> None:
            found = transformed_row(code, isa, job, source(code, job, row, place), place)
            code.call(quantize, found, inputs, codes, result, *(job[setting] for setting in SETTINGS))
            code.copy(job["codes"] + row * inputs, codes, inputs)
            for offset, field in ((0, "scale"), (4, "zero"), (8, "sums")):
                code.store(code.load(I32, result + offset), job[field] + row * 4)

        code.loop(rows * thread // team, rows * (thread + 1) // team, 1, one_row)
    return program.text()


def row_of_x(code: Code, job: Job, row: Value, place: Value) -> Value:
    """Return where a row of x stands: the source of ``quantize_rows``."""
    return job["x"] + row * job["inputs"] * 4
