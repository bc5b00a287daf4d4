"""Linear layer with int8 weights and run-time quantised activations (W8A8), for ``torch.nn.Linear``.

``replace_linears`` turns the layers of a model into ``Int8Linear``; ``reference.py`` says what each computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from effbench.kernels.int8_linear import cost, cpu
from effbench.kernels.int8_linear.reference import fake_quantise_rows, quantise_weight


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
        self._packed: Any = cpu.pack(linear.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product in float32."""
        return cpu.linear(x, self._packed, self.bias)

    def packed_bytes(self) -> int:
        """Return what the packed weight holds: codes, and a scale and a zero point per channel."""
        return cost.packed_bytes(self.in_features, self.out_features)


def replace_linears(root: nn.Module, make: Callable[[nn.Linear], nn.Module], keep: Callable[[str], bool]) -> int:
    """Replace every ``nn.Linear`` below ``root`` by ``make(layer)`` unless ``keep(qualified name)``; return how many."""
    replaced = 0
    for name, layer in list(root.named_modules()):
        if isinstance(layer, nn.Linear) and not keep(name):
            parent, _, child = name.rpartition(".")
            setattr(root.get_submodule(parent), child, make(layer))
            replaced += 1
    return replaced


class SimulatedInt8Linear(nn.Module):
    """The same layer in floating point: weight codes times scale, activations rounded per row to ``bits`` bits."""

    def __init__(self, linear: nn.Linear, bits: int = 8) -> None:
        super().__init__()
        weight = quantise_weight(linear.weight)
        restored = weight.codes.float() * weight.scale[:, None]
        self.weight = nn.Parameter(restored.to(linear.weight.dtype), requires_grad=False)
        self.bias = linear.bias
        self.bits = bits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product of rounded activations and rounded weights."""
        rounded = fake_quantise_rows(x.float(), self.bits).to(x.dtype)
        return nn.functional.linear(rounded, self.weight, self.bias)
