"""The integer product by AMX: two-dimensional registers of 16 rows x 64 bytes, multiplied as a whole.

``tdpbusd`` adds to 16 x 16 int32 the products of 16 rows of 64 u8 codes with 16 groups of four inputs of 16 channels, which
lie as in the panels of AVX-512. Inputs that do not fill 64 bytes have registers of their own, configured to the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from llvmlite import ir

from effbench.kernels.dot import CODES_PER_WORD, corrected
from effbench.kernels.emitter import I8, I32, I64, POINTER, Code, Program, Value
from effbench.kernels.isa import Isa
from effbench.kernels.linear_w8a8.tile import ARGUMENTS, ROW_RESULT, ZERO_PAIR, write_tile

NAME = "amx-int8"
ROWS, BYTES = 16, 64
"""Of a register; a row of sums holds 16 int32."""
GROUPS = BYTES // CODES_PER_WORD
"""Groups of four inputs of a register: the bytes of a row of codes, the rows of a register of weights."""
STEPS = ((32, 32), (16, 16), (6, 16))
"""(Least rows, rows of the registers) of the tiles: fewer than six rows are quicker by vectors."""
SUMS, CODES, WEIGHTS, LAST_CODES, LAST_WEIGHTS = 0, 4, 5, 6, 7
"""Numbers of the registers: up to four of sums, what is multiplied, and the same for the inputs that are left over."""


def configuration(group_inputs: int) -> bytes:
    """Return what ``ldtilecfg`` reads for a weight whose sums run over so many inputs (Intel SDM, volume 1, 18.3)."""
    left = -(-group_inputs // CODES_PER_WORD) * CODES_PER_WORD % BYTES or BYTES
    row_bytes, rows = [BYTES] * 8, [ROWS] * 8
    row_bytes[LAST_CODES], rows[LAST_WEIGHTS] = left, left // CODES_PER_WORD
    return struct.pack("<BB14x8H16x8B8x", 1, 0, *row_bytes, *rows)


def instruction(code: Code, name: str, *operands: int | Value) -> None:
    """Write an instruction on registers, which are numbered by plain integers."""
    kinds = [I8 if isinstance(operand, int) else operand.type for operand in operands]
    call = code.intrinsic(f"llvm.x86.{name}", ir.VoidType(), kinds)
    call(*(code.constant(I8, operand) if isinstance(operand, int) else operand for operand in operands))


def pointer(code: Code, address: Value) -> Value:
    """Return an address as a pointer."""
    return Value(code, code.builder.inttoptr(address.ir, POINTER))


def tile(program: Program, isa: Isa, height: int, width: int) -> ir.Function:
    """Write the function of ``ARGUMENTS`` that writes y of up to ``height`` rows and ``width`` vectors of channels.

    Codes of ``height`` rows are read, however few of them there are; ``width`` is 1 or 2.
    """
    integers = ir.VectorType(I32, isa.lanes)
    blocks = height // ROWS
    name = f"amx_tile_{height}x{width}"
    if name in program.module.globals:  # the last two of STEPS share one
        return program.module.globals[name]
    with program.function(name, *[I64] * len(ARGUMENTS)) as (code, arguments, function):
        codes, padded, panel, groups, corrections, *_ = arguments
        results, rows = (arguments[ARGUMENTS.index(field)] for field in ("results", "rows"))
        memory = code.builder.alloca(ir.ArrayType(I8, ROWS * BYTES * blocks * width))
        memory.align = BYTES
        place = Value(code, code.builder.ptrtoint(memory, I64))
        for number in range(blocks * width):
            instruction(code, "tilezero", SUMS + number)
        stride = code.i64(BYTES * width)

        def multiply(group: Value, registers: Sequence[int]) -> None:
            of_codes, of_weights = registers
            weights = panel + group * (BYTES * width)
            for block in range(blocks):
                rows_at = codes + padded * (ROWS * block) + group * CODES_PER_WORD
                instruction(code, "tileloadd64", of_codes, pointer(code, rows_at), padded)
                # The vector of channels that was loaded last is taken first by the next block of rows.
                for v in range(width) if block % 2 == 0 else reversed(range(width)):
                    if block == 0 or v != (width - 1 if block % 2 else 0):
                        instruction(code, "tileloadd64", of_weights, pointer(code, weights + BYTES * v), stride)
                    instruction(code, "tdpbusd", SUMS + block * width + v, of_codes, of_weights)

        whole = groups & -GROUPS
        code.loop(0, whole, GROUPS, lambda group: multiply(group, (CODES, WEIGHTS)))
        with code.when(whole.compared("<", groups)):
            multiply(whole, (LAST_CODES, LAST_WEIGHTS))
        for number in range(blocks * width):
            at = place + ROWS * BYTES * number
            instruction(code, "tilestored64", SUMS + number, pointer(code, at), code.i64(BYTES))
        starts = [code.load(integers, corrections + BYTES * v) for v in range(width)]

        def write_row(r: Value) -> None:
            pair = code.spread(code.load(I32, results + r * ROW_RESULT + ZERO_PAIR), isa.lanes)
            at = place + (r >> 4) * (ROWS * BYTES * width) + (r & (ROWS - 1)) * BYTES

            def total(_: int, v: int) -> Value:
                return code.load(integers, at + ROWS * BYTES * v) + corrected(code, isa, pair, starts[v])

            write_tile(code, isa, arguments, [r], width, total)

        code.loop(0, rows.least(height), 1, write_row)
    return function
