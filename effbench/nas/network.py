"""The network of a cell in torch, for one training or for several side by side in one program.

``copies`` networks of the same cell with weights of their own lie in the channels: every tensor is [B, copies x C, H, W],
convolutions have ``copies`` groups, and batch normalisation is per channel anyway. So seeds are trained together at the
price of one program, and each comes out as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from effbench.nas.cells import EDGES, NODES, OPS, SKIP, check_code, live_edges
from effbench.nas.skeleton import KERNELS, Skeleton

POOL = OPS.index("avg_pool_3x3")


class StackedNetwork(nn.Module):
    """``copies`` networks of one cell; [B, copies x channels, H, W] -> logits [B, copies, classes]."""

    def __init__(self, code: Sequence[int], skeleton: Skeleton, copies: int = 1) -> None:
        super().__init__()
        check_code(code)
        self.code, self.copies = tuple(code), copies
        width = skeleton.width
        self.stem = normed(skeleton.channels, width, skeleton.stem, copies)
        body: list[nn.Module] = []
        for stage, (wide, _) in enumerate(skeleton.stages()):
            if stage:
                made = _Residual if skeleton.reduction == "residual" else _Pool
                body.append(made(width, wide, copies))
            body.extend(self._cell(wide) for _ in range(skeleton.cells))
            width = wide
        self.body = nn.Sequential(*body)
        self.last = nn.BatchNorm2d(width * copies)
        self.head = nn.Conv2d(width * copies, skeleton.classes * copies, 1, groups=copies)

    def _cell(self, width: int) -> nn.Module:
        return CellBlock(self.code, width, self.copies)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return what the classifier reads [B, copies x C, 1, 1]."""
        return torch.relu(self.last(self.body(self.stem(images)))).mean((2, 3), keepdim=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits [B, copies, classes] of images [B, copies x channels, H, W]."""
        logits: torch.Tensor = self.head(self.features(images))
        return logits.view(len(images), self.copies, -1)

    @torch.no_grad()
    def initialise(self, seeds: Sequence[int]) -> None:
        """Draw the weights of copy i from a generator of seed i alone: uniform within 1 / sqrt(fan-in), as torch's default.

        Raises ``ValueError`` for another number of seeds than of copies.
        """
        if len(seeds) != self.copies:
            raise ValueError(f"{self.copies} networks need as many seeds, got {len(seeds)}")
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                reach = module.weight[0].numel() ** -0.5
                for tensor in (module.weight, module.bias):
                    for generator, part in zip(generators, () if tensor is None else tensor.chunk(self.copies)):
                        part.uniform_(-reach, reach, generator=generator)


class CellBlock(nn.Module):
    """One cell: its live edges alone; [B, C, H, W] -> the same shape."""

    def __init__(self, code: Sequence[int], width: int, copies: int = 1) -> None:
        super().__init__()
        self.code = tuple(code)
        self.live = live_edges(code)
        self.weighted = nn.ModuleDict(
            {
                str(edge): normed(width, width, KERNELS[self.code[edge]], copies)
                for edge in self.live
                if self.code[edge] in KERNELS
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output node; zeros where the cell is disconnected."""
        return through_cell(x, self.code, self.live, lambda edge: self.weighted[str(edge)])


def through_cell(
    x: torch.Tensor, code: Sequence[int], live: Sequence[int], weighted: Callable[[int], nn.Module]
) -> torch.Tensor:
    """Return the output node of a cell, given its live edges and, by edge, convolution with normalisation."""
    nodes: list[Any] = [x] + [None] * (NODES - 1)
    active: dict[int, torch.Tensor] = {}  # ReLU of a node, which several edges read
    for edge in live:
        to, source = EDGES[edge]
        op, given = code[edge], nodes[source]
        if op == SKIP:
            brought = given
        elif op == POOL:
            brought = nn.functional.avg_pool2d(given, 3, stride=1, padding=1, count_include_pad=False)
        else:
            if source not in active:
                active[source] = torch.relu(given)
            brought = weighted(edge)(active[source])
        nodes[to] = brought if nodes[to] is None else nodes[to] + brought
    return torch.zeros_like(x) if nodes[-1] is None else nodes[-1]


class _Pool(nn.Module):
    """Halve the image and double the width by ReLU, pooling, a 1x1 convolution and batch normalisation."""

    def __init__(self, width: int, wide: int, copies: int) -> None:
        super().__init__()
        self.widen = normed(width, wide, 1, copies)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [B, wide, H / 2, W / 2]."""
        wide: torch.Tensor = self.widen(nn.functional.avg_pool2d(torch.relu(x), 2))
        return wide


class _Residual(nn.Module):
    """NAS-Bench-201's reduction: two 3x3 convolutions, beside pooling and a 1x1 convolution."""

    def __init__(self, width: int, wide: int, copies: int) -> None:
        super().__init__()
        self.first = normed(width, wide, 3, copies, stride=2)
        self.second = normed(wide, wide, 3, copies)
        self.beside = nn.Conv2d(width * copies, wide * copies, 1, groups=copies, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [B, wide, H / 2, W / 2]."""
        inner: torch.Tensor = self.second(torch.relu(self.first(torch.relu(x))))
        beside: torch.Tensor = self.beside(nn.functional.avg_pool2d(x, 2))
        return inner + beside


def normed(inputs: int, outputs: int, kernel: int, copies: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution without bias and batch normalisation, of ``copies`` networks side by side."""
    padding = kernel // 2 if kernel % 2 else 0
    convolution = nn.Conv2d(
        inputs * copies, outputs * copies, kernel, stride, padding=padding, groups=copies, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs * copies))
