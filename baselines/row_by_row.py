"""Dynamic quantization with one range per call, sample by sample: libraries take the range over everything they are given.

A range over a whole batch makes an image depend on its batch mates, which the contract of a method forbids. Each row of the
leading dimension (a sample, or one guided half of it) gets a call of its own instead.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


class RowByRow(nn.Module):
    """A linear layer [B, ..., I] -> [B, ..., O] whose ``product`` is called with one row of B at a time.

    ``packed_bytes`` is what the product keeps out of torch's sight, 0 where torch sees it all.
    """

    def __init__(self, product: Callable[[torch.Tensor], torch.Tensor], linear: nn.Linear, packed_bytes: int) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self._product = product
        self._packed_bytes = packed_bytes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the products of all rows."""
        if len(x) == 1:
            return self._product(x)
        return torch.cat([self._product(row) for row in x.split(1)])

    def packed_bytes(self) -> int:
        """Return the bytes that torch cannot see."""
        return self._packed_bytes
