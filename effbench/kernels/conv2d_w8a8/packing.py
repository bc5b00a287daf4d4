"""Weights of a convolution in the order in which the CPU's kernel reads them."""

from __future__ import annotations

from typing import NamedTuple

import torch

from effbench.kernels import isa as instruction_sets
from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.conv2d_w8a8.image import GROUP
from effbench.kernels.conv2d_w8a8.product import TILES
from effbench.kernels.gpu_weights import convolution_weight

LARGEST_PRODUCT = 255 * 128
"""Of an activation code less its zero point and a weight's code."""
MOST_INPUTS = (2**31 - 1) // LARGEST_PRODUCT
"""Products that a sum of 32 bits holds, whatever they are: 65,793."""


class PackedConvW8(NamedTuple):
    """The codes of a kernel [O, I, KH, KW], for the CPU or a GPU.

    ``codes`` int8 for an instruction set ``isa``: [blocks of channels, I / 4, KW, KH, channels, 4], filled up with 0; without
    one, on a GPU, [O, KH * KW * I]. ``scales`` [O] float32 and ``sums`` [O] int32, of a channel's codes, are filled up alike.
    """

    kernel: tuple[int, int]
    outputs: int
    inputs: int
    isa: str | None
    codes: torch.Tensor
    scales: torch.Tensor
    sums: torch.Tensor

    def packed_bytes(self) -> int:
        """Return what it holds, in bytes."""
        return self.codes.nbytes + self.scales.nbytes + self.sums.nbytes

    def plain(self) -> QuantizedWeight:
        """Return the codes [O, I * KH * KW] as they were before packing, with a zero point of 0."""
        codes = self.codes
        if self.isa is None:
            codes = codes.reshape(self.outputs, -1, self.inputs).transpose(1, 2).flatten(1)
        else:
            codes = codes.permute(0, 4, 1, 5, 3, 2).flatten(4).flatten(2, 3)  # [blocks, channels, I + fill, KH * KW]
            codes = codes.flatten(0, 1)[: self.outputs, : self.inputs].flatten(1)
        scale = self.scales[: self.outputs, None]
        return QuantizedWeight(codes, scale, torch.zeros_like(scale, dtype=torch.int8))


def pack_conv_w8a8(weight: QuantizedWeight, kernel: tuple[int, int], isa: str | None = None) -> PackedConvW8:
    """Return the codes of a kernel [O, I, KH, KW], given as those of a weight [O, I * KH * KW], packed where they are.

    ``isa`` is that of the CPU's kernel, the current one by default; on another device codes stay in their order. Raises
    ``ValueError`` for several scales a channel, sizes that do not fit, and sums that may exceed 32 bits.
    """
    outputs, length = weight.codes.shape
    height, width = kernel
    if weight.scale.shape != (outputs, 1):
        raise ValueError(f"a convolution has one scale an output channel, got {list(weight.scale.shape)} for {outputs}")
    if height < 1 or width < 1 or length % (height * width) or not length:
        raise ValueError(f"{length} weights a channel are no whole number of {height} x {width} kernels")
    if length > MOST_INPUTS:
        raise ValueError(f"{length} products may exceed a sum of 32 bits; at most {MOST_INPUTS} are exact")
    inputs = length // (height * width)
    codes = weight.codes - weight.zero
    if codes.device.type != "cpu":
        return PackedConvW8((height, width), outputs, inputs, None, *convolution_weight(weight, kernel))
    name = (instruction_sets.named(isa) if isa else instruction_sets.current()).vectors
    channels = TILES[name].channels
    blocks, groups = -(-outputs // channels), -(-inputs // GROUP)
    filled = torch.zeros(blocks * channels, groups * GROUP, height, width, dtype=torch.int8)
    filled[:outputs, :inputs] = codes.reshape(outputs, inputs, height, width)
    panels = filled.reshape(blocks, channels, groups, GROUP, height, width).permute(0, 2, 5, 4, 1, 3).contiguous()
    scales = torch.zeros(blocks * channels)
    scales[:outputs] = weight.scale[:, 0]
    sums = filled.flatten(1).sum(1, dtype=torch.int32)
    return PackedConvW8((height, width), outputs, inputs, name, panels, scales, sums)
