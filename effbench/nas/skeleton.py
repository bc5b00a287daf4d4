"""What stands around the cells of a network, and what a network of a cell costs: parameters and FLOPs, by formula.

Three stages of equal cells; between two stages the image is halved and the width doubled. NAS-Bench-201's own skeleton
halves by a residual block of two 3x3 convolutions; a bare skeleton pools 2x2 and widens by a 1x1 convolution, so that what
neighbouring pixels have to say to each other is left to the cells. Every operation
with weights is ReLU, convolution, batch normalisation. Only the live edges of a cell are built and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from effbench.nas.cells import OPS, live_edges

STAGES = 3
"""As in NAS-Bench-201."""
KERNELS = {OPS.index("nor_conv_1x1"): 1, OPS.index("nor_conv_3x3"): 3}
"""Operation -> size of its kernel, for those that have weights."""


@dataclass(frozen=True)
class Skeleton:
    """Square images of ``size`` pixels and ``channels`` colours; ``cells`` per stage, ``width`` channels in the first.

    ``stem`` is the kernel of the first convolution.
    """

    channels: int = 3
    size: int = 32
    width: int = 16
    cells: int = 5
    classes: int = 10
    stem: Literal[1, 3] = 3
    reduction: Literal["residual", "pool"] = "residual"

    def stages(self) -> list[tuple[int, int]]:
        """Return (width, size of the image) of each stage."""
        return [(self.width << stage, self.size >> stage) for stage in range(STAGES)]


NAS_BENCH_201 = Skeleton()
"""The network that NAS-Bench-201 trains: 32x32 colours, 16 channels, five cells a stage."""


class WeightedLayer(NamedTuple):
    """A convolution (or, of kernel 1 on one pixel, a linear layer) and whether batch normalisation follows it."""

    inputs: int
    outputs: int
    kernel: int
    pixels: int
    norm: bool = True
    bias: bool = False


def layers(code: Sequence[int], skeleton: Skeleton) -> Iterator[WeightedLayer]:
    """Yield every layer with weights of the network of a cell."""
    kernels = [KERNELS[code[edge]] for edge in live_edges(code) if code[edge] in KERNELS]
    previous = skeleton.width
    yield WeightedLayer(skeleton.channels, skeleton.width, skeleton.stem, skeleton.size**2)
    for stage, (width, size) in enumerate(skeleton.stages()):
        if stage and skeleton.reduction == "pool":
            yield WeightedLayer(previous, width, 1, size**2)
        elif stage:
            yield WeightedLayer(previous, width, 3, size**2)
            yield WeightedLayer(width, width, 3, size**2)
            yield WeightedLayer(previous, width, 1, size**2, norm=False)
        for kernel in kernels * skeleton.cells:
            yield WeightedLayer(width, width, kernel, size**2)
        previous = width
    yield WeightedLayer(previous, skeleton.classes, 1, 1, norm=False, bias=True)


def parameters(code: Sequence[int], skeleton: Skeleton) -> int:
    """Return the number of trained numbers of a cell's network, batch normalisation's two per channel included."""
    last = skeleton.stages()[-1][0]
    return 2 * last + sum(
        layer.inputs * layer.outputs * layer.kernel**2 + (2 * layer.norm + layer.bias) * layer.outputs
        for layer in layers(code, skeleton)
    )


def flops(code: Sequence[int], skeleton: Skeleton) -> int:
    """Return the FLOPs of one image through a cell's network: 2 per multiply-add of convolutions and the linear layer."""
    return sum(2 * layer.inputs * layer.outputs * layer.kernel**2 * layer.pixels for layer in layers(code, skeleton))
