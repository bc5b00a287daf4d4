"""One network that holds every cell: each operation on each edge has weights of its own, and all cells with it share them.

Source: single-path one-shot training with uniform sampling (SPOS; Guo et al. 2020, arXiv 1904.00420): every step trains the
path of one cell drawn uniformly. What stands around the cells is shared by all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from effbench.nas.cells import EDGES, check_code, live_edges
from effbench.nas.network import StackedNetwork, normed, through_cell
from effbench.nas.skeleton import KERNELS, Skeleton


class SharedCell(nn.Module):
    """Every operation with weights on every edge, of which ``code`` uses some; [B, C, H, W] -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.code: Sequence[int] = (0,) * len(EDGES)
        self.live: list[int] = []
        self.weighted = nn.ModuleDict(
            {
                f"{edge}_{op}": normed(width, width, kernel, 1)
                for edge in range(len(EDGES))
                for op, kernel in KERNELS.items()
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the output node of the chosen cell."""
        return through_cell(x, self.code, self.live, lambda edge: self.weighted[f"{edge}_{self.code[edge]}"])


class Supernet(StackedNetwork):
    """The network of whichever cell was chosen last; [B, channels, H, W] -> logits [B, 1, classes]."""

    def __init__(self, skeleton: Skeleton) -> None:
        super().__init__((0,) * len(EDGES), skeleton)

    def _cell(self, width: int) -> nn.Module:
        return SharedCell(width)

    def choose(self, code: Sequence[int]) -> None:
        """Make the network that of a cell."""
        check_code(code)
        self.code, live = tuple(code), live_edges(code)
        for cell in self.modules():
            if isinstance(cell, SharedCell):
                cell.code, cell.live = self.code, live

    @torch.no_grad()
    def recalibrate(self, batches: Sequence[torch.Tensor]) -> None:
        """Replace the running statistics of the chosen cell by the mean over some batches of images.

        Those of the training are a mixture over cells, which fits none of them.
        """
        norms = [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]
        usual = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's way to say: a plain mean
        self.train()
        for images in batches:
            self(images)
        for norm, momentum in zip(norms, usual):
            norm.momentum = momentum
