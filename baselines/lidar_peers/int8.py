"""The dense BEV backbone in int8: W8A8 convolutions with static ranges, norms folded in, by EffBench's own kernel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from effbench.kernels.sparse_conv import SparseTensor
from effbench.lidar.detector.backbones import DenseBev
from effbench.lidar.detector.blocks import Features, MapBlock, folded
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.detector.spbn import SparsityPreservingNorm
from effbench.lidar.frames import Frame
from effbench.quantization.layers import QuantizedConv2d
from effbench.quantization.ranges import RunningRange, static_range
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import ActivationScheme, WeightScheme


class Int8Block(nn.Module):
    """A ``MapBlock`` in evaluation, in int8: quantize, convolve, ReLU. Zero stays zero, as 0 has a code."""

    keeps_zeros = False
    """Over cells there is no int8 kernel: it wants the map."""

    def __init__(self, block: MapBlock, low: float, high: float) -> None:
        super().__init__()
        plain = folded_conv(block)
        weight = quantize_weight(plain.weight.flatten(1), WeightScheme(8))
        self.conv = QuantizedConv2d(
            plain, weight, 8, ActivationScheme("static-tensor"), static_range(low, high), "real"
        )

    def forward(self, x: Features) -> torch.Tensor:
        """Return the block's map."""
        if isinstance(x, SparseTensor):
            x = x.dense()
        y: torch.Tensor = self.conv(x.contiguous()).relu_()
        return y


def folded_conv(block: MapBlock) -> nn.Conv2d:
    """Return the convolution that a block is in evaluation before its ReLU."""
    outputs, inputs = block.weight.shape[:2]
    if isinstance(block.norm, SparsityPreservingNorm):
        scale, shift = block.norm.scale(), None
    else:
        assert isinstance(block.norm, nn.BatchNorm2d)
        scale, shift = folded(block.norm)
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=shift is not None)
    with torch.no_grad():
        conv.weight.copy_(block.weight * scale[:, None, None, None])
        if shift is not None and conv.bias is not None:
            conv.bias.copy_(shift)
    return conv


def input_ranges(detector: LidarDetector, frames: Sequence[Frame]) -> list[tuple[float, float]]:
    """Return the running range of each 3x3 convolution's input over frames."""
    assert isinstance(detector.bev, DenseBev)
    seen = [RunningRange() for _ in detector.bev.blocks]
    hooks = [
        block.register_forward_pre_hook(lambda _, args, own=own: own.update(args[0]))
        for block, own in zip(detector.bev.blocks, seen)
    ]
    try:
        detector.executed("dense").detect(frames)
    finally:
        for hook in hooks:
            hook.remove()
    return [(own.low, own.high) for own in seen]


def to_int8(detector: LidarDetector, ranges: Sequence[tuple[float, float]]) -> None:
    """Replace the 3x3 convolutions of a dense BEV backbone by int8 ones; it runs densely from then on."""
    assert isinstance(detector.bev, DenseBev)
    for i, (low, high) in enumerate(ranges):
        block = detector.bev.blocks[i]
        assert isinstance(block, MapBlock)
        detector.bev.blocks[i] = Int8Block(block, low, high)
    detector.executed("dense")
