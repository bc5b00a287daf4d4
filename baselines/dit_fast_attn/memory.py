"""What a layer keeps from one step to a later one, and when it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from effbench.diffusion import DenoiserCall

Mode = tuple[Any, ...]
"""Shape of the tokens and how guidance runs: what is kept under one is of no use under another."""


@dataclass(frozen=True)
class KeptState:
    """Of one layer: its output after the projection [R, N, C], and before it what heads computed and what a window left out.

    ``heads`` and ``residual`` are [R, H, N, D]. ``residual_is_shared``: the residual is that of the conditional half,
    which stands for both.
    """

    mode: Mode
    output: torch.Tensor | None = None
    residual: torch.Tensor | None = None
    residual_is_shared: bool = False
    heads: torch.Tensor | None = None


class LayerPlace(NamedTuple):
    """A layer, and which of several denoiser calls of one evaluation (guidance in two calls)."""

    layer: str
    number: int


class Memory:
    """What all layers keep. Tensors are replaced, never written into: a copy of the table is a copy of the state."""

    def __init__(self) -> None:
        self.table: dict[LayerPlace, KeptState] = {}

    def of(self, layer: str, call: DenoiserCall, shape: torch.Size) -> KeptState:
        """Return what a layer keeps for calls of this shape and guidance; what was kept for others is dropped."""
        place, mode = LayerPlace(layer, call.number), (tuple(shape), call.order)
        found = self.table.get(place)
        return found if found is not None and found.mode == mode else KeptState(mode)

    def keep(self, layer: str, call: DenoiserCall, kept: KeptState) -> None:
        """Replace what a layer keeps."""
        self.table[LayerPlace(layer, call.number)] = kept

    def clear(self) -> None:
        """Forget everything."""
        self.table = {}
