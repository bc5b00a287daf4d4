"""A weight as ``linear_w8a8`` takes it: as codes, or as the panels that the processor's kernel reads.

Panel by panel of channels, group by group of four inputs, the four codes of each channel lie side by side: one vector of the
kernel after the other. Channels and inputs are filled up with zeros.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from effbench.kernels import isa
from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.dot import CODES_PER_WORD, CORRECTION_BASE, LARGEST_INPUTS
from effbench.kernels.linear_w8a8.program import FIELDS, linear_program, scratch_bytes
from effbench.kernels.linear_w8a8.tile import heights
from effbench.kernels.machine_code import address_of
from effbench.kernels.threads import Kernel

WIDTHS = {"avx512-vnni": (4, 3, 2, 1), "avx2": (2, 1), "portable": (2, 1)}
"""Vectors of channels that a panel may have; the first that fills up the fewest channels is taken."""
BLOCK_BYTES = 384 * 2**10
"""Codes of a block of rows: with a panel of the weight they are to stay in a second-level cache of 512 KB and more."""
LINE = 64
"""Bytes that a vector is aligned to, a cache line."""


@cache
def kernel(name: str, width: int) -> Kernel:
    """Return the compiled kernel of an instruction set for panels of so many vectors."""
    machine = isa.named(name)
    return Kernel(address_of("linear_w8a8", linear_program(machine, width), machine), len(FIELDS))


@dataclass(frozen=True)
class Panels:
    """The processor's form: ``codes`` int8, and int32 correction and float32 scale of each of the filled-up channels.

    ``corrections`` hold minus the sum of a channel's codes, for zero points (``dot.corrected``); ``no_bias`` is zeros.
    """

    isa: str
    width: int
    codes: torch.Tensor
    corrections: torch.Tensor
    scale: torch.Tensor
    no_bias: torch.Tensor


class PackedW8:
    """A weight [outputs, inputs] of int8 codes with one scale a channel."""

    def __init__(self, weight: QuantizedWeight) -> None:
        self.outputs, self.inputs = weight.codes.shape
        self.device = weight.codes.device
        self._plain: QuantizedWeight | None = None
        self.panels: Panels | None = None
        self.activation_bits, self.isa = 8, self.device.type
        if self.device.type != "cpu":
            self._plain = weight
            return
        machine = isa.current()
        self.panels = _panels(weight, machine)
        self.kernel = kernel(machine.name, self.panels.width)
        self.isa = machine.name
        self.kernel_name = f"linear_w8a8/{machine.name}"
        self.activation_bits = machine.activation_bits
        padded = -(-self.inputs // CODES_PER_WORD) * CODES_PER_WORD
        self._tall = heights(machine, self.panels.width)[0]
        self._most_rows = max(self._tall, BLOCK_BYTES // padded // self._tall * self._tall)
        self.padded_inputs = padded
        channels = self.panels.width * machine.lanes
        self.fields = (
            *(self.panels.codes.data_ptr(), -(-self.outputs // channels)),
            *(self.panels.corrections.data_ptr(), self.panels.scale.data_ptr()),
        )

    def weight(self) -> QuantizedWeight:
        """Return the plain codes; where the weight had zero points, those less the zero points."""
        if self.panels is None:
            assert self._plain is not None
            return self._plain
        channels = self.panels.width * isa.named(self.panels.isa).lanes
        codes = self.panels.codes.view(-1, self.padded_inputs // CODES_PER_WORD, channels, CODES_PER_WORD)
        codes = codes.permute(0, 2, 1, 3).reshape(-1, self.padded_inputs)[: self.outputs, : self.inputs].contiguous()
        scale = self.panels.scale[: self.outputs, None].clone()
        return QuantizedWeight(codes, scale, torch.zeros_like(scale, dtype=torch.int8))

    def packed_bytes(self) -> int:
        """Return the bytes that it holds."""
        if self.panels is None:
            return sum(part.nbytes for part in self.weight())
        return sum(part.nbytes for part in (self.panels.codes, self.panels.corrections, self.panels.scale, self.panels.no_bias))

    def block(self, rows: int) -> tuple[int, int]:
        """Return how many of so many rows a thread takes at a time, and the bytes that it needs for them."""
        count = min(-(-rows // self._tall) * self._tall, self._most_rows)
        return count, scratch_bytes(count, self.padded_inputs, self.inputs)


def pack_w8a8(weight: QuantizedWeight) -> PackedW8:
    """Return a weight in the form that ``linear_w8a8`` takes on its device, and compile the kernel that reads it.

    Raises ``ValueError`` for a weight with groups, for one with so many inputs that sums leave int32, and for one that has none.
    """
    outputs, inputs = weight.codes.shape
    if weight.scale.shape != (outputs, 1):
        raise ValueError(f"linear_w8a8 wants one scale a channel [{outputs}, 1]; got {list(weight.scale.shape)}")
    if not 0 < inputs <= LARGEST_INPUTS or outputs == 0:
        raise ValueError(f"linear_w8a8 wants 1 to {LARGEST_INPUTS} inputs and some outputs; got a weight {[outputs, inputs]}")
    return PackedW8(weight)


def _panels(weight: QuantizedWeight, machine: isa.Isa) -> Panels:
    outputs, inputs = weight.codes.shape
    width = min(WIDTHS[machine.name], key=lambda vectors: -(-outputs // (vectors * machine.lanes)) * vectors)
    channels = width * machine.lanes
    filled, padded = -(-outputs // channels) * channels, -(-inputs // CODES_PER_WORD) * CODES_PER_WORD
    codes = torch.zeros(filled, padded, dtype=torch.int8)
    codes[:outputs, :inputs] = weight.codes - weight.zero
    in_panels = codes.view(-1, channels, padded // CODES_PER_WORD, CODES_PER_WORD).permute(0, 2, 1, 3)
    scale, none = (aligned(filled, torch.float32).zero_() for _ in range(2))
    scale[:outputs] = weight.scale[:, 0]
    return Panels(
        machine.name,
        width,
        aligned(filled * padded, torch.int8).copy_(in_panels.reshape(-1)),
        aligned(filled, torch.int32).copy_(corrections(codes)),
        scale,
        none,
    )


def corrections(codes: torch.Tensor) -> torch.Tensor:
    """Return minus the sum of each row of int8 codes [O, I] as the two 16-bit halves of an int32 that ``dot.corrected`` reads."""
    total = -codes.sum(1, dtype=torch.int32)
    high = torch.div(total + CORRECTION_BASE // 2, CORRECTION_BASE, rounding_mode="floor")
    low = total - high * CORRECTION_BASE
    return (low & 0xFFFF) | (high << 16)


def aligned(size: int, dtype: torch.dtype) -> torch.Tensor:
    """Return an uninitialized vector that starts at a cache line."""
    bytes_ = size * dtype.itemsize
    whole = torch.empty(bytes_ + LINE, dtype=torch.uint8)
    start = -whole.data_ptr() % LINE
    return whole[start : start + bytes_].view(dtype)
