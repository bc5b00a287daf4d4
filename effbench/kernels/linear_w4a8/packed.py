"""A weight of 4-bit codes as ``linear_w4a8`` takes it: two codes a byte, also in memory."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from effbench.kernels import isa
from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.dot import CODES_PER_WORD
from effbench.kernels.linear_w4a8.program import WIDTH, linear_w4a8_program
from effbench.kernels.linear_w8a8.packed import (
    PackedWeight,
    Panels,
    aligned,
    channel_arrays,
    check_size,
    in_panel_order,
)
from effbench.kernels.linear_w8a8.program import CALL_FIELDS
from effbench.kernels.machine_code import address_of
from effbench.kernels.threads import Kernel

if TYPE_CHECKING:
    from effbench.kernels.gpu_weights import PackedGpuWeight

LEAST, LARGEST = -8, 7
"""Codes of four bits, as two's complement."""


class PackedW4(PackedWeight):
    """A weight of 4-bit codes with one scale and zero point a channel, or one for each of its groups of inputs."""

    operation = "linear_w4a8"

    def gpu_form(self, weight: QuantizedWeight) -> PackedGpuWeight:
        """Return two codes a byte."""
        from effbench.kernels.gpu_weights import packed_gpu_weight

        return packed_gpu_weight(weight)

    def panel_width(self, machine: isa.Isa) -> int:
        """Return the width that has a vector for each half of a byte."""
        return WIDTH

    def panels_of(self, weight: QuantizedWeight, machine: isa.Isa) -> Panels:
        """Return the panels of plain codes, each plus 8, and what is to be taken off them."""
        outputs, groups, filled = self.outputs, self.groups, self.channels
        shifted = torch.zeros(filled, self.padded_inputs, dtype=torch.uint8)
        shifted[:outputs, : self.inputs] = (weight.codes - LEAST).view(torch.uint8)
        halves = in_panel_order(shifted, WIDTH * machine.lanes).view(-1, WIDTH, CODES_PER_WORD * machine.lanes)
        packed = (halves[:, 0] | (halves[:, 1] << 4)).reshape(-1)
        offset = torch.zeros(groups, filled, dtype=torch.uint8)
        offset[:, :outputs] = (weight.zero - LEAST).T.view(torch.uint8)
        grouped = weight.codes.view(outputs, groups, -1) - weight.zero[:, :, None]
        centred = torch.zeros(filled, groups, self.inputs // groups, dtype=torch.int8)
        centred[:outputs] = grouped
        return Panels(
            aligned(len(packed), torch.uint8).copy_(packed),
            *channel_arrays(centred, weight.scale, outputs),
            aligned(groups * filled * CODES_PER_WORD, torch.uint8).copy_(
                offset.reshape(-1).repeat_interleave(CODES_PER_WORD)
            ),
        )

    def compiled(self, machine: isa.Isa) -> Kernel:
        """Return the kernel that unpacks panels."""
        return _kernel(machine.name)

    def panel_bytes(self) -> int:
        """Return the scratch memory that a panel is unpacked to."""
        return WIDTH * isa.named(self.isa).lanes * self.padded_inputs

    def plain_panels(self, machine: isa.Isa) -> QuantizedWeight:
        """Return the codes of panels, as they were given."""
        panels, groups = self.panels, self.groups
        assert panels is not None and panels.offsets is not None
        packed = panels.codes.view(-1, 1, CODES_PER_WORD * machine.lanes)
        halves = torch.cat([packed & 15, packed >> 4], 1)
        shape = (-1, self.padded_inputs // CODES_PER_WORD, WIDTH * machine.lanes, CODES_PER_WORD)
        shifted = halves.view(shape).permute(0, 2, 1, 3).reshape(self.channels, -1)[: self.outputs, : self.inputs]
        zero = panels.offsets.view(groups, -1, CODES_PER_WORD)[:, : self.outputs, 0].T.view(torch.int8) + LEAST
        scale = panels.scale.view(groups, -1)[:, : self.outputs].T.contiguous()
        return QuantizedWeight(shifted.to(torch.int8) + LEAST, scale, zero.contiguous())


@cache
def _kernel(name: str) -> Kernel:
    machine = isa.named(name)
    return Kernel(address_of("linear_w4a8", linear_w4a8_program(machine), machine), len(CALL_FIELDS))


def pack_w4a8(weight: QuantizedWeight) -> PackedW4:
    """Return a weight in the form that ``linear_w4a8`` takes on its device, and compile the kernel that reads it.

    Raises ``ValueError`` for codes beyond four bits, groups of a size that is not a multiple of 4, and sums that leave int32.
    """
    check_w4("linear_w4a8", weight)
    return PackedW4(weight)


def check_w4(operation: str, weight: QuantizedWeight) -> None:
    """Raise ``ValueError`` where a weight is none of 4-bit codes in whole groups."""
    outputs, inputs = weight.codes.shape
    check_size(operation, outputs, inputs)
    groups = weight.scale.shape[1]
    if inputs % groups or (groups > 1 and inputs // groups % CODES_PER_WORD):
        raise ValueError(f"{operation} wants groups of a multiple of 4 inputs, got {groups} groups of {inputs} inputs")
    if int(weight.codes.min()) < LEAST or int(weight.codes.max()) > LARGEST:
        found = f"[{int(weight.codes.min())}, {int(weight.codes.max())}]"
        raise ValueError(f"{operation} wants codes in [{LEAST}, {LARGEST}], got {found}")
