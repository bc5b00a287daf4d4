"""The program of ``group_norm_silu``: a group of channels of an image is one piece of memory, read three times.

Its mean, its variance about it, then the rest; a group of a small model lies in the first-level cache after the first.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from effbench.kernels.emitter import F32, I32, Code, KernelJob, Program, Value
from effbench.kernels.gelu_quantize.program import power_of_2
from effbench.kernels.isa import Isa

FIELDS = ("x", "weight", "bias", "offset", "y", "images", "channels", "groups", "pixels", "eps")
"""Five addresses, ``offset`` 0 where there is none; numbers of elements; the bits of a float32."""
LOG2_E = 1.4426950408889634


def group_norm_silu_program(isa: Isa) -> str:
    """Return the LLVM IR of the kernel "group_norm_silu"."""
    program = Program()
    with program.kernel("group_norm_silu", FIELDS) as (code, job):
        thread, team = job.place_in_team()
        units = job["images"] * job["groups"]
        first, last = units * thread // team, units * (thread + 1) // team
        code.loop(first, last, 1, lambda unit: _one_group(code, isa, job, unit))
    return program.text()


def _one_group(code: Code, isa: Isa, job: KernelJob, unit: Value) -> None:
    vector, lanes, pixels = ir.VectorType(F32, isa.lanes), isa.lanes, job["pixels"]
    per_group = job["channels"] // job["groups"]
    group = unit - unit // job["groups"] * job["groups"]
    count = code.convert("sitofp", per_group * pixels, F32)

    def offset_of(channel: Value) -> Value:
        """Return what is added to a channel (counted over all images), in every lane."""
        is_given = job["offset"].compared("!=", 0)
        place = code.select(is_given, job["offset"], job["bias"]) + code.select(is_given, channel, 0) * 4
        return code.spread(code.select(is_given, code.load(F32, place), code.constant(F32, 0.0)), lanes)

    def total(term: Callable[[Value], Value]) -> Value:
        """Return the sum of a term over the group, channel by channel."""

        def of_channel(c: Value, partial: Value) -> list[Value]:
            channel = unit * per_group + c
            x, added = job["x"] + channel * pixels * 4, offset_of(channel)

            def turn(i: Value, partial: Value) -> list[Value]:
                mask = code.first_lanes(pixels - i, lanes)
                value = term(code.load_lanes(vector, x + i * 4, mask) + added)
                return [partial + code.select(mask, value, 0.0)]

            return code.loop(0, pixels, lanes, turn, [partial])

        (partial,) = code.loop(0, per_group, 1, of_channel, [code.constant(vector, 0.0)])
        return code.reduce(partial, lambda a, b: a + b)

    mean = code.spread(total(lambda value: value) / count, lanes)
    eps = code.convert("bitcast", code.convert("trunc", job["eps"], I32), F32)
    deviation = code.unary("sqrt", total(lambda value: (value - mean) * (value - mean)) / count + eps)
    inverse = code.constant(F32, 1.0) / deviation

    def write_channel(c: Value) -> None:
        channel, own = unit * per_group + c, (group * per_group + c) * 4
        x, y, added = job["x"] + channel * pixels * 4, job["y"] + channel * pixels * 4, offset_of(channel)
        gain = code.spread(code.load(F32, job["weight"] + own) * inverse, lanes)
        shift = code.spread(code.load(F32, job["bias"] + own), lanes)

        def turn(i: Value) -> None:
            mask = code.first_lanes(pixels - i, lanes)
            value = code.fused(code.load_lanes(vector, x + i * 4, mask) + added - mean, gain, shift)
            code.store_lanes(value / (power_of_2(code, isa, value * -LOG2_E) + 1.0), y + i * 4, mask)

        code.loop(0, pixels, lanes, turn)

    code.loop(0, per_group, 1, write_channel)
