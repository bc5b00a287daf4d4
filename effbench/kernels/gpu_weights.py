"""Weights as the Triton products read them: zero points taken away or kept beside packed bytes, and sums of codes.

Made once per layer; every ``gpu.py`` of a product also takes the ``QuantizedWeight`` itself and makes it on the way.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from effbench.kernels.codes import QuantizedWeight
from effbench.kernels.linear_w4a8.reference import pack

MOST_INPUTS = 32768
"""Most inputs of a product: 255 x 255 x inputs must fit into int32."""
GROUP_STEP = 128
"""Inputs of one step through a weight with groups: a larger group is a multiple of it."""


class GpuWeight(NamedTuple):
    """8-bit weight [O, I]: ``codes`` [O, I] int8 with the zero points taken away, ``scale`` and ``sums`` [O].

    ``scale`` is float32; ``sums`` int32 are those of a row's codes, by which the zero point of activations is made good.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    sums: torch.Tensor


class PackedGpuWeight(NamedTuple):
    """4-bit weight [O, I]: ``codes`` [O, I / 2] int8 of two codes each, ``scale`` float32 and ``zero`` int8 [O, G].

    ``sums`` [O, S] int32 of ``codes - zero``, one for each step of ``step`` inputs: one for all inputs where G = 1.
    """

    codes: torch.Tensor
    scale: torch.Tensor
    zero: torch.Tensor
    sums: torch.Tensor
    step: int

    def nbytes(self) -> int:
        """Return the bytes of codes, scales, zero points and sums."""
        return sum(part.nbytes for part in self[:4])


def gpu_weight(weight: QuantizedWeight) -> GpuWeight:
    """Return a weight of one scale a channel for ``linear_w8a8``; raise ``ValueError`` for groups or too many inputs."""
    outputs, inputs = weight.codes.shape
    if weight.scale.shape[1] != 1:
        raise ValueError(f"linear_w8a8 takes one scale a channel; got {weight.scale.shape[1]} groups of inputs")
    _check_inputs(inputs)
    codes = (weight.codes - weight.zero).contiguous()
    return GpuWeight(codes, weight.scale.reshape(outputs).contiguous(), codes.sum(1, dtype=torch.int32))


def convolution_weight(weight: QuantizedWeight, kernel: tuple[int, int]) -> GpuWeight:
    """Return the weight of a kernel [O, I, KH, KW] with taps outermost: codes [O, KH * KW * I]."""
    outputs, taps = len(weight.codes), kernel[0] * kernel[1]
    if weight.codes.shape[1] % taps:
        raise ValueError(f"conv2d_w8a8: {weight.codes.shape[1]} codes a channel are no multiple of {taps} taps")
    by_tap = weight.codes.reshape(outputs, -1, taps).transpose(1, 2).reshape(outputs, -1)
    return gpu_weight(weight._replace(codes=by_tap))


def packed_gpu_weight(weight: QuantizedWeight) -> PackedGpuWeight:
    """Return a weight of 4-bit codes for ``linear_w4a8`` and ``linear_w4a16``.

    Raises ``ValueError`` for an odd number of inputs, and for groups of other sizes than 32, 64 or multiples of 128.
    """
    (outputs, inputs), groups = weight.codes.shape, weight.scale.shape[1]
    _check_inputs(inputs)
    step = inputs
    if groups > 1:
        group = inputs // groups
        step = min(group, GROUP_STEP)
        if step not in (32, 64, 128) or group % step:
            raise ValueError(f"groups on a GPU hold 32, 64 or a multiple of 128 inputs; got {group}")
    centred = weight.codes.reshape(outputs, groups, -1) - weight.zero[:, :, None]
    sums = centred.reshape(outputs, inputs // step, step).sum(2, dtype=torch.int32)
    packed = pack(weight.codes).view(torch.int8)
    return PackedGpuWeight(packed, weight.scale.contiguous(), weight.zero.contiguous(), sums, step)


def _check_inputs(inputs: int) -> None:
    if inputs > MOST_INPUTS:
        raise ValueError(f"a product over {inputs} inputs may overflow int32; at most {MOST_INPUTS}")
