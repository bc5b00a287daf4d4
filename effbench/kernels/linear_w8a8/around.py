"""What a linear layer does in the same pass before its rows are quantized, and after its product is scaled.

The layers of a transformer's block read what a normalization, a modulation or GELU makes, and add what they give to the
block's residual stream, through a gate where there is one. Each of these costs a pass over memory when it is an operator.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch


class Modulation(NamedTuple):
    """LayerNorm without weights, then (1 + scale) and shift [B, I], those of a batch item for all its rows [B, N, I]."""

    shift: torch.Tensor
    scale: torch.Tensor
    eps: float = 1e-6

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the layer is given, as operators of torch make it."""
        normed = torch.nn.functional.layer_norm(x, x.shape[-1:], eps=self.eps)
        return normed * (1 + self.scale[:, None]) + self.shift[:, None]


Before = Modulation | Literal["gelu", "geglu"] | None
"""A modulation, the tanh form of GELU, a * GELU(b) of rows (a, b) twice as long (exact; Shazeer 2020), or nothing."""


def applied(before: Before, x: torch.Tensor) -> torch.Tensor:
    """Return what a layer is given of x, as operators of torch make it."""
    if isinstance(before, Modulation):
        return before(x)
    if before == "geglu":
        value, gate = x.chunk(2, dim=-1)
        return value * torch.nn.functional.gelu(gate)
    return x if before is None else torch.nn.functional.gelu(x, approximate="tanh")


def row_length(before: Before, inputs: int) -> int:
    """Return how many numbers a row has from which so many inputs are made."""
    return 2 * inputs if before == "geglu" else inputs


class Residual(NamedTuple):
    """What a product y [B, N, O] is added to: ``stream`` [B, N, O], y times ``gate`` [B, O] first where there is one."""

    stream: torch.Tensor
    gate: torch.Tensor | None = None

    def __call__(self, y: torch.Tensor) -> torch.Tensor:
        """Return the sum, as operators of torch make it."""
        return self.stream + (y if self.gate is None else self.gate[:, None] * y)


def check_around(
    operation: str, shape: torch.Size, dtype: torch.dtype, outputs: int, before: Before, residual: Residual | None
) -> None:
    """Raise ``ValueError`` where what is done before or after does not fit rows of a shape and type and so many outputs."""
    operands = (before[:2] if isinstance(before, Modulation) else ()) + (residual or ())
    for operand in operands:
        if operand is not None and operand.dtype != dtype:
            raise ValueError(f"{operation}: rows are {dtype}, what is done to them has {operand.dtype}")
    items = (shape[0] if len(shape) == 3 else None, shape[-1])
    if isinstance(before, Modulation):
        if before.shift.shape != items or before.scale.shape != items:
            found = f"{list(before.shift.shape)} and {list(before.scale.shape)}"
            raise ValueError(f"{operation}: a modulation of rows {list(shape)} has shift and scale [B, I], got {found}")
    elif before not in (None, "gelu", "geglu"):
        raise ValueError(f"{operation}: before a product comes a Modulation, 'gelu', 'geglu' or None, not {before!r}")
    if residual is not None:
        if residual.stream.shape != (*shape[:-1], outputs):
            raise ValueError(
                f"{operation}: a residual {list(residual.stream.shape)} does not fit {[*shape[:-1], outputs]}"
            )
        if residual.gate is not None and residual.gate.shape != (items[0], outputs):
            raise ValueError(
                f"{operation}: a gate of rows {list(shape)} is [B, {outputs}], got {list(residual.gate.shape)}"
            )
