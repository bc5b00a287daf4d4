"""A linear layer that rounds weights and rows to codes and multiplies floats: what ``int8-simulated`` uses."""

from __future__ import annotations

import torch
from torch import nn

from effbench.kernels.linear_w8a8.reference import quantize_weight
from effbench.kernels.quantize_rows.reference import quantize_rows


class SimulatedInt8Linear(nn.Module):
    """An ``nn.Linear`` in floating point: weight codes times scale, activations rounded per row to ``bits`` bits."""

    def __init__(self, linear: nn.Linear, bits: int = 8) -> None:
        super().__init__()
        restored = quantize_weight(linear.weight).dequantized()
        self.weight = nn.Parameter(restored.to(linear.weight.dtype), requires_grad=False)
        self.bias = linear.bias
        self.bits = bits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product of rounded activations and rounded weights."""
        rows = quantize_rows(x, self.bits)
        rounded = (rows.codes.float() - rows.zero[..., None]) * rows.scale[..., None]
        return nn.functional.linear(rounded.to(x.dtype), self.weight, self.bias)
