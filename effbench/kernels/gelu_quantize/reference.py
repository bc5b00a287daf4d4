"""GELU (its tanh form) and quantization of rows, the specification.

It feeds the second layer of an MLP::

    codes = quantize_rows(gelu(x) * multiplier [@ H])
"""

from __future__ import annotations

import torch

from effbench.kernels.codes import QuantizedRows
from effbench.kernels.hadamard.reference import transformed
from effbench.kernels.quantize_rows.reference import quantize_rows


def gelu_quantize(
    x: torch.Tensor,
    bits: int = 8,
    symmetric: bool = False,
    multiplier: torch.Tensor | None = None,
    rotate: bool = False,
) -> QuantizedRows:
    """Return the codes of gelu(x) for rows x [..., C]."""
    activated = torch.nn.functional.gelu(x.double(), approximate="tanh").float()  # float32 loses its lower tail
    return quantize_rows(transformed(activated, multiplier, rotate), bits, symmetric)
