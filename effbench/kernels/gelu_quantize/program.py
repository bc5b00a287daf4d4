"""The program of ``gelu_quantize``: the tanh form of GELU, vectorized, as the source of rows that are quantized.

gelu(x) = x / (1 + exp(-2 u)) with u = sqrt(2 / pi) (x + 0.044715 x^3): the tanh form, tanh(u) being 2 / (1 + exp(-2 u)) - 1.
The exponential is 2^n p(r) for n the nearest integer and p the polynomial of degree 6 that is close to 2^r for |r| <= 1/2.
"""

from __future__ import annotations

import math

from llvmlite import ir

from effbench.kernels.emitter import F32, I32, Code, KernelJob, Value
from effbench.kernels.isa import Isa
from effbench.kernels.quantize_rows.program import rows_program
from effbench.kernels.quantize_rows.row import ROUNDER, ROUNDER_BITS

CUBIC = 0.044715
"""Of the tanh form (Hendrycks and Gimpel 2016, section 2)."""
TO_BASE_2 = -2 * math.sqrt(2 / math.pi) / math.log(2)
"""exp(-2 u) is 2 to this times (x + 0.044715 x^3)."""
LARGEST_EXPONENT = 126.0
"""Where exponents of 2 are cut: 2^126 is a float32, and x / (1 + 2^126) is 0 beside any code."""
POWERS_OF_2 = tuple(math.log(2) ** k / math.factorial(k) for k in range(8))
"""Taylor's series of 2^r: at |r| = 1/2 what is left out is below 2^-27."""


def gelu(code: Code, isa: Isa, x: Value) -> Value:
    """Return GELU of a vector; NaN of NaN and of minus infinity."""
    vector, integers = x.type, ir.VectorType(I32, isa.lanes)
    inner = code.fused(x * x, code.constant(vector, CUBIC), code.constant(vector, 1.0)) * x
    exponent = inner * TO_BASE_2
    exponent = exponent.least(LARGEST_EXPONENT).greatest(-LARGEST_EXPONENT)
    nearest = exponent + ROUNDER
    rest = exponent - (nearest - ROUNDER)
    power = code.constant(vector, POWERS_OF_2[-1])
    for coefficient in reversed(POWERS_OF_2[:-1]):
        power = code.fused(power, rest, code.constant(vector, coefficient))
    # A float32 is multiplied by 2^n by adding n to its exponent, from bit 23 on.
    whole = (code.convert("bitcast", nearest, integers) - ROUNDER_BITS) << 23
    exponential = code.convert("bitcast", code.convert("bitcast", power, integers) + whole, vector)
    return x / (exponential + 1.0)


def activated_row(code: Code, isa: Isa, job: KernelJob, row: Value, place: Value) -> Value:
    """Write GELU of a row of the job's x to ``place``, and return it."""
    inputs, vector = job["inputs"], ir.VectorType(F32, isa.lanes)
    x = job["x"] + row * inputs * 4

    def turn(i: Value) -> None:
        mask = code.first_lanes(inputs - i, isa.lanes)
        code.store(gelu(code, isa, code.load_lanes(vector, x + i * 4, mask)), place + i * 4)

    code.loop(0, inputs, isa.lanes, turn)
    return place


def gelu_program(isa: Isa) -> str:
    """Return the LLVM IR of the kernel "gelu_quantize"."""
    return rows_program(isa, "gelu_quantize", lambda code, job, row, place: activated_row(code, isa, job, row, place))
