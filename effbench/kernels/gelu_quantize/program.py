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
ERROR_STEP = 0.3275911
ERROR_FUNCTION = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
POWERS_OF_2 = tuple(math.log(2) ** k / math.factorial(k) for k in range(8))
"""Taylor's series of 2^r: at |r| = 1/2 what is left out is below 2^-27."""


def power_of_2(code: Code, isa: Isa, exponent: Value) -> Value:
    """Return 2 to a vector, cut to exponents of a magnitude of ``LARGEST_EXPONENT``."""
    vector, integers = exponent.type, ir.VectorType(I32, isa.lanes)
    exponent = exponent.least(LARGEST_EXPONENT).greatest(-LARGEST_EXPONENT)
    nearest = exponent + ROUNDER
    rest = exponent - (nearest - ROUNDER)
    power = code.constant(vector, POWERS_OF_2[-1])
    for coefficient in reversed(POWERS_OF_2[:-1]):
        power = code.fused(power, rest, code.constant(vector, coefficient))
    # A float32 is multiplied by 2^n by adding n to its exponent, from bit 23 on.
    whole = (code.convert("bitcast", nearest, integers) - ROUNDER_BITS) << 23
    return code.convert("bitcast", code.convert("bitcast", power, integers) + whole, vector)


def gelu(code: Code, isa: Isa, x: Value) -> Value:
    """Return GELU of a vector; NaN of NaN and of minus infinity."""
    inner = code.fused(x * x, code.constant(x.type, CUBIC), code.constant(x.type, 1.0)) * x
    return x / (power_of_2(code, isa, inner * TO_BASE_2) + 1.0)


def exact_gelu(code: Code, isa: Isa, x: Value) -> Value:
    """Return x times the normal distribution function of x, of a vector; within 2e-7 of 1 + |x|.

    1 - erf(z) is a polynomial in t = 1 / (1 + p z) times exp(-z^2) (Abramowitz and Stegun 7.1.26, within 1.5e-7).
    """
    vector = x.type
    magnitude = code.unary("fabs", x)
    z = magnitude * math.sqrt(0.5)
    t = code.constant(vector, 1.0) / code.fused(z, code.constant(vector, ERROR_STEP), code.constant(vector, 1.0))
    tail = code.constant(vector, ERROR_FUNCTION[-1])
    for coefficient in reversed(ERROR_FUNCTION[:-1]):
        tail = code.fused(tail, t, code.constant(vector, coefficient))
    tail = tail * t * power_of_2(code, isa, z * z * (-1 / math.log(2))) * 0.5
    return x * code.select(x.compared(">=", 0.0), 1.0 - tail, tail)


def activated_row(code: Code, isa: Isa, job: KernelJob, row: Value, place: Value) -> Value:
    """Write GELU of a row of the job's x to ``place``, and return it."""
    inputs, vector = job["inputs"], ir.VectorType(F32, isa.lanes)
    x = job["x"] + row * inputs * 4

    def turn(i: Value) -> None:
        mask = code.first_lanes(inputs - i, isa.lanes)
        code.store(gelu(code, isa, code.load_lanes(vector, x + i * 4, mask)), place + i * 4)

    code.loop(0, inputs, isa.lanes, turn)
    return place


def gated_row(code: Code, isa: Isa, job: KernelJob, row: Value, place: Value) -> Value:
    """Write a * GELU(b) of a row (a, b) of the job's x, twice as long as its inputs, to ``place``, and return it."""
    inputs, vector = job["inputs"], ir.VectorType(F32, isa.lanes)
    x = job["x"] + row * inputs * 8

    def turn(i: Value) -> None:
        mask = code.first_lanes(inputs - i, isa.lanes)
        value, gate = (code.load_lanes(vector, base + i * 4, mask) for base in (x, x + inputs * 4))
        code.store(value * exact_gelu(code, isa, gate), place + i * 4)

    code.loop(0, inputs, isa.lanes, turn)
    return place


def gelu_program(isa: Isa) -> str:
    """Return the LLVM IR of the kernel "gelu_quantize"."""
    return rows_program(isa, "gelu_quantize", lambda code, job, row, place: activated_row(code, isa, job, row, place))
