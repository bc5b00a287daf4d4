"""A weight of 4-bit codes as ``linear_w4a16`` takes it: two codes a byte, scales and zero points beside them."""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.linear_w4a8.packed import check_w4
from effbench.kernels.linear_w4a8.reference import pack, unpack
from effbench.kernels.operands import operand_bytes


class PackedNibbles:
    """``codes`` [O, I / 2] uint8 as ``linear_w4a8.reference.pack`` lays them, ``scale`` [O, G] and ``zero`` [O, G]."""

    def __init__(self, weight: QuantizedWeight) -> None:
        self.outputs, self.inputs = weight.codes.shape
        self.codes, self.scale, self.zero = pack(weight.codes), weight.scale, weight.zero

    def weight(self) -> QuantizedWeight:
        """Return the plain codes."""
        return QuantizedWeight(unpack(self.codes), self.scale, self.zero)

    def packed_bytes(self) -> int:
        """Return the bytes that it holds."""
        return operand_bytes((self.codes, self.scale, self.zero))


def pack_w4a16(weight: QuantizedWeight) -> PackedNibbles:
    """Return a weight in the form that ``linear_w4a16`` takes; raise ``ValueError`` for codes beyond four bits."""
    check_w4("linear_w4a16", weight)
    return PackedNibbles(weight)
