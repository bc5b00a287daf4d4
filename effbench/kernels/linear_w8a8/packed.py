"""A weight as ``linear_w8a8`` takes it: as codes, or as the panels that the processor's kernel reads.

Panel by panel of channels, group by group of four inputs, the four codes of each channel lie side by side: one vector of the
kernel after the other. Channels and inputs are filled up with zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from effbench.kernels import isa
from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.dot import CODES_PER_WORD, CORRECTION_BASE, LARGEST_INPUTS
from effbench.kernels.hadamard.cpu import rotation
from effbench.kernels.hadamard.reference import has_rotation
from effbench.kernels.linear_w8a8 import amx
from effbench.kernels.linear_w8a8.program import CALL_FIELDS, linear_program, scratch_bytes, stored_panel
from effbench.kernels.linear_w8a8.tiles import tallest
from effbench.kernels.machine_code import address_of
from effbench.kernels.operands import operand_bytes
from effbench.kernels.threads import Kernel

if TYPE_CHECKING:
    from effbench.kernels.gpu_weights import GpuWeight, PackedGpuWeight

WIDTHS = {"amx-int8": (2, 1), "avx512-vnni": (2, 3, 4, 1), "avx2": (2, 1), "portable": (2, 1)}
"""Vectors of channels that a panel may have; of those that fill up the fewest channels the first is taken."""
BLOCK_BYTES = 384 * 2**10
"""Codes of a block of rows: with a panel of the weight they are to stay in a second-level cache of 512 KB and more."""
LINE = 64
"""Bytes that a vector is aligned to, a cache line."""


class Panels(NamedTuple):
    """The processor's form. Of each group of each channel, filled-up ones included: int32 correction, float32 scale.

    ``codes`` are bytes, ``corrections`` minus the sum of a channel's codes, for zero points (``dot.corrected``), ``no_bias``
    zeros; ``offsets`` belong to packed 4-bit codes alone.
    """

    codes: torch.Tensor
    corrections: torch.Tensor
    scale: torch.Tensor
    no_bias: torch.Tensor
    offsets: torch.Tensor | None = None


class PackedWeight(ABC):
    """A weight [outputs, inputs] in the form of its device: ``panels`` for a CPU, else ``on_gpu``."""

    operation = ""
    gpu_adds_gated = False
    """Whether the operation's Triton kernel adds what it made, times a gate, to a residual stream."""
    panels: Panels | None = None

    def __init__(self, weight: QuantizedWeight) -> None:
        self.outputs, self.inputs = weight.codes.shape
        self.groups = weight.scale.shape[1]
        self.device = weight.codes.device
        self.activation_bits, self.isa = 8, self.device.type
        self.on_gpu: GpuWeight | PackedGpuWeight | None = None
        if self.device.type != "cpu":
            self.on_gpu = self.gpu_form(weight)
            return
        machine = isa.current()
        self.isa, self.activation_bits = machine.name, machine.activation_bits
        self.kernel_name = f"{self.operation}/{machine.name}"
        self.padded_inputs = -(-self.inputs // CODES_PER_WORD) * CODES_PER_WORD
        self.width = self.panel_width(machine)
        self.channels = -(-self.outputs // (self.width * machine.lanes)) * self.width * machine.lanes
        self.panels = self.panels_of(weight, machine)
        self.kernel = self.compiled(machine)
        if has_rotation(self.inputs):
            rotation(self.inputs)  # compiled now, so that no call ever waits for it
        self._blocks: dict[int, tuple[int, int]] = {}
        self._tall = tallest(machine, self.width)
        self._most_rows = max(self._tall, BLOCK_BYTES // self.padded_inputs // self._tall * self._tall)
        self.fields = (
            *(self.panels.codes.data_ptr(), self.channels // (self.width * machine.lanes)),
            *(self.panels.corrections.data_ptr(), self.panels.scale.data_ptr()),
            *(self.groups, self.inputs // self.groups, self.channels),
            0 if self.panels.offsets is None else self.panels.offsets.data_ptr(),
        )
        configuration = torch.frombuffer(bytearray(amx.configuration(self.inputs // self.groups)), dtype=torch.uint8)
        self.tile_configuration = aligned(LINE, torch.uint8).copy_(configuration)

    @abstractmethod
    def gpu_form(self, weight: QuantizedWeight) -> GpuWeight | PackedGpuWeight:
        """Return the form that the Triton kernel reads."""

    @abstractmethod
    def panel_width(self, machine: isa.Isa) -> int:
        """Return how many vectors of channels a panel has."""

    @abstractmethod
    def panels_of(self, weight: QuantizedWeight, machine: isa.Isa) -> Panels:
        """Return the panels of plain codes."""

    @abstractmethod
    def compiled(self, machine: isa.Isa) -> Kernel:
        """Return the kernel that reads the panels, compiled where it is not yet."""

    @abstractmethod
    def plain_panels(self, machine: isa.Isa) -> QuantizedWeight:
        """Return the codes of panels."""

    def weight(self) -> QuantizedWeight:
        """Return the plain codes; where 8-bit ones had zero points, those less the zero points."""
        return self.plain_panels(isa.named(self.isa)) if self.on_gpu is None else self.on_gpu.plain()

    def packed_bytes(self) -> int:
        """Return the bytes that it holds."""
        return operand_bytes(self.on_gpu if self.panels is None else self.panels)

    def block(self, rows: int) -> tuple[int, int]:
        """Return how many of so many rows a thread takes at a time, and the bytes that it needs for them."""
        if (found := self._blocks.get(rows)) is None:
            count = min(-(-rows // self._tall) * self._tall, self._most_rows)
            found = count, scratch_bytes(count, self.padded_inputs, self.inputs, self.panel_bytes())
            self._blocks = {rows: found}  # the last one alone: a layer sees the same number of rows again and again
        return found

    def panel_bytes(self) -> int:
        """Return the scratch memory that a panel is unpacked to."""
        return 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it by its codes: compiled code and addresses belong to one process."""
        return type(self), (self.weight(),)


class PackedW8(PackedWeight):
    """A weight of int8 codes with one scale a channel."""

    operation = "linear_w8a8"
    gpu_adds_gated = True

    def gpu_form(self, weight: QuantizedWeight) -> GpuWeight:
        """Return the codes less the zero points, and their sums."""
        from effbench.kernels.gpu_weights import gpu_weight

        return gpu_weight(weight)

    def panel_width(self, machine: isa.Isa) -> int:
        """Return the width that fills up the fewest channels."""
        return min(
            WIDTHS[machine.name],
            key=lambda vectors: -(-self.outputs // (vectors * machine.lanes)) * vectors,
        )

    def panels_of(self, weight: QuantizedWeight, machine: isa.Isa) -> Panels:
        """Return the panels of plain codes; zero points are taken off."""
        codes = torch.zeros(self.channels, self.padded_inputs, dtype=torch.int8)
        codes[: self.outputs, : self.inputs] = weight.codes - weight.zero
        in_panels = in_panel_order(codes, self.width * machine.lanes)
        return Panels(
            aligned(codes.numel(), torch.int8).copy_(in_panels),
            *channel_arrays(codes[:, None, : self.inputs], weight.scale, self.outputs),
        )

    def compiled(self, machine: isa.Isa) -> Kernel:
        """Return the kernel for panels of this width."""
        return _kernel(machine.name, self.width)

    def plain_panels(self, machine: isa.Isa) -> QuantizedWeight:
        """Return the codes of panels, with zero points 0."""
        assert self.panels is not None
        channels = self.width * machine.lanes
        codes = self.panels.codes.view(-1, self.padded_inputs // CODES_PER_WORD, channels, CODES_PER_WORD)
        codes = codes.permute(0, 2, 1, 3).reshape(-1, self.padded_inputs)[: self.outputs, : self.inputs].contiguous()
        scale = self.panels.scale[: self.outputs, None].clone()
        return QuantizedWeight(codes, scale, torch.zeros_like(scale, dtype=torch.int8))


@cache
def _kernel(name: str, width: int) -> Kernel:
    machine = isa.named(name)
    program = linear_program(machine, width, "linear_w8a8", stored_panel(width, machine))
    return Kernel(address_of("linear_w8a8", program, machine), len(CALL_FIELDS))


def pack_w8a8(weight: QuantizedWeight) -> PackedW8:
    """Return a weight in the form that ``linear_w8a8`` takes on its device, and compile the kernel that reads it.

    Raises ``ValueError`` for a weight with groups, for one of so many inputs that sums leave int32, and for one without any.
    """
    outputs, inputs = weight.codes.shape
    if weight.scale.shape != (outputs, 1):
        raise ValueError(f"linear_w8a8 wants one scale a channel [{outputs}, 1]; got {list(weight.scale.shape)}")
    check_size("linear_w8a8", outputs, inputs)
    return PackedW8(weight)


def check_size(operation: str, outputs: int, inputs: int) -> None:
    """Raise ``ValueError`` for a weight without elements or of so many inputs that sums leave int32."""
    if not 0 < inputs <= LARGEST_INPUTS or outputs == 0:
        raise ValueError(
            f"{operation} wants 1 to {LARGEST_INPUTS} inputs and an output at least, got {[outputs, inputs]}"
        )


def in_panel_order(codes: torch.Tensor, channels: int) -> torch.Tensor:
    """Return codes [O, I], both filled up, in the order of panels of so many channels, as one row."""
    return codes.view(-1, channels, codes.shape[1] // CODES_PER_WORD, CODES_PER_WORD).permute(0, 2, 1, 3).reshape(-1)


def channel_arrays(
    codes: torch.Tensor, scale: torch.Tensor, outputs: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return corrections, scale and no bias of codes less zero points [O, G, I / G], O filled up, and scale [O, G]."""
    filled, groups, _ = codes.shape
    total = -codes.sum(2, dtype=torch.int32).T.contiguous().view(-1)  # [G * O]
    high = torch.div(total + CORRECTION_BASE // 2, CORRECTION_BASE, rounding_mode="floor")
    low = total - high * CORRECTION_BASE
    scales = aligned(filled * groups, torch.float32).zero_()
    scales.view(groups, filled)[:, :outputs] = scale.T
    corrections = aligned(len(total), torch.int32).copy_((low & 0xFFFF) | (high << 16))
    return corrections, scales, aligned(filled, torch.float32).zero_()


def aligned(size: int, dtype: torch.dtype) -> torch.Tensor:
    """Return an uninitialized vector that starts at a cache line."""
    bytes_ = size * dtype.itemsize
    whole = torch.empty(bytes_ + LINE, dtype=torch.uint8)
    start = -whole.data_ptr() % LINE
    return whole[start : start + bytes_].view(dtype)
