"""Linear layer with packed 4-bit weights and activations as they are, the specification.

It saves memory; where products bound the time it saves none::

    y = x @ (s_w * (q_w - z_w))^T + b
"""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedWeight


def linear_w4a16(x: torch.Tensor, weight: QuantizedWeight, bias: torch.Tensor | None) -> torch.Tensor:
    """Return x [..., I] times a weight [O, I] of 4-bit codes as [..., O] in the dtype of x, computed in float64."""
    y = x.double() @ weight.dequantized().double().T
    return (y if bias is None else y + bias.double()).to(x.dtype)
