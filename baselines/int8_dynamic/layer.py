"""A linear layer that quantizes its rows at run time: what ``int8-dynamic`` puts in the place of ``nn.Linear``."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from effbench.kernels.linear_w8a8 import linear_w8a8, pack_w8a8, quantize_weight


class Int8Linear(nn.Module):
    """An ``nn.Linear`` whose weight lives as int8 codes: x [..., I] float32 -> [..., O] float32, CPU only."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        if linear.weight.device.type != "cpu" or linear.weight.dtype != torch.float32:
            raise ValueError(
                f"int8 linear needs float32 weights on the CPU, got {linear.weight.dtype} on {linear.weight.device}"
            )
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.bias = linear.bias
        self._packed = pack_w8a8(quantize_weight(linear.weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product in float32."""
        return linear_w8a8(x, self._packed, self.bias)

    def packed_bytes(self) -> int:
        """Return the bytes of the packed weight: codes, and what belongs to each channel."""
        return self._packed.packed_bytes()


def replace_linears(root: nn.Module, make: Callable[[nn.Linear], nn.Module], keep: Callable[[str], bool]) -> int:
    """Replace every ``nn.Linear`` below ``root`` by ``make(layer)`` unless ``keep(qualified name)``; return how many."""
    replaced = 0
    for name, layer in list(root.named_modules()):
        if isinstance(layer, nn.Linear) and not keep(name):
            parent, _, child = name.rpartition(".")
            setattr(root.get_submodule(parent), child, make(layer))
            replaced += 1
    return replaced
