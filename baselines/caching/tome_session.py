"""Token merging at work: bipartite soft matching on a grid of tokens, around an attention layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from effbench.api import Context, PluginError, Unsupported
from effbench.caching.session import CacheSession, Forward, wrap
from effbench.diffusion import DenoiserCall, DiffusionSystem


@dataclass(frozen=True)
class MergedLayer:
    """The grid of tokens of an attention layer, and how much of it is merged."""

    height: int
    width: int
    cell: int
    ratio: float

    @property
    def tokens(self) -> int:
        """Return the number of tokens."""
        return self.height * self.width

    @property
    def merged(self) -> int:
        """Return how many tokens are merged into others: no more than there are beside the destinations."""
        return min(int(self.tokens * self.ratio), self.tokens - (self.height // self.cell) * (self.width // self.cell))


class Matching(NamedTuple):
    """Which of N tokens stay, and which go where, [B, ...] indices: of ``sources`` into N, of ``into`` among destinations.

    ``destinations`` [D] are the same for all rows.
    """

    destinations: torch.Tensor
    kept: torch.Tensor
    sources: torch.Tensor
    into: torch.Tensor


def destinations_of(layer: MergedLayer, generator: torch.Generator | None) -> torch.Tensor:
    """Return one token's index of each whole cell [D], the upper left one without a generator; raster order."""
    rows, columns = layer.height // layer.cell, layer.width // layer.cell
    if generator is None:
        offset = torch.zeros(rows, columns, dtype=torch.long)
    else:
        offset = torch.randint(layer.cell**2, (rows, columns), generator=generator)
    y = torch.arange(rows)[:, None] * layer.cell + offset // layer.cell
    x = torch.arange(columns)[None] * layer.cell + offset % layer.cell
    return (y * layer.width + x).flatten()


def match(tokens: torch.Tensor, destinations: torch.Tensor, merged: int) -> Matching:
    """Return which ``merged`` tokens of each row of ``tokens`` [B, N, C] go into which destination, by cosine similarity."""
    is_source = torch.ones(tokens.shape[1], dtype=torch.bool, device=tokens.device)
    is_source[destinations] = False
    sources = is_source.nonzero()[:, 0]  # [S]
    unit = torch.nn.functional.normalize(tokens, dim=-1)
    similarity = unit[:, sources] @ unit[:, destinations].transpose(1, 2)  # [B, S, D]
    best, into = similarity.max(-1)
    order = best.argsort(dim=-1, descending=True, stable=True)
    gone, stays = order[:, :merged], order[:, merged:]
    return Matching(destinations, sources[stays], sources[gone], into.gather(1, gone))


def merge(tokens: torch.Tensor, matching: Matching) -> torch.Tensor:
    """Return the tokens that stay and the destinations, each a mean with what was merged into it: [B, N - merged, C]."""
    width = tokens.shape[-1]
    kept = tokens.gather(1, _wide(matching.kept, width))
    gone = tokens.gather(1, _wide(matching.sources, width))
    destinations = tokens[:, matching.destinations].scatter_reduce(1, _wide(matching.into, width), gone, "mean")
    return torch.cat([kept, destinations], 1)


def unmerge(tokens: torch.Tensor, matching: Matching, count: int) -> torch.Tensor:
    """Return ``count`` tokens: those that stayed, the destinations, and a copy of its destination for each merged one."""
    width, stayed = tokens.shape[-1], matching.kept.shape[1]
    kept, destinations = tokens[:, :stayed], tokens[:, stayed:]
    out = tokens.new_empty(len(tokens), count, width)
    out[:, matching.destinations] = destinations
    out.scatter_(1, _wide(matching.kept, width), kept)
    return out.scatter_(1, _wide(matching.sources, width), destinations.gather(1, _wide(matching.into, width)))


def _wide(index: torch.Tensor, width: int) -> torch.Tensor:
    return index[..., None].expand(-1, -1, width)


class MergingSession(CacheSession):
    """Wraps the attention layers; destinations are drawn once a run of the denoiser for each size of grid."""

    def __init__(self, layers: dict[str, MergedLayer], seed: int | None) -> None:
        super().__init__()
        self.layers, self.seed = layers, seed

    def install(self, system: DiffusionSystem) -> None:
        """Wrap the layers that merge anything."""
        self._generator = None if self.seed is None else torch.Generator().manual_seed(self.seed)
        self._drawn: dict[MergedLayer, torch.Tensor] = {}
        for name, layer in self.layers.items():
            if layer.merged:
                wrap(system.denoiser.get_submodule(name), self._merging(layer))

    def denoiser_runs(self, call: DenoiserCall) -> None:
        """Draw anew at every evaluation; two guided calls of one share the destinations."""
        super().denoiser_runs(call)
        if call.number == 0:
            self._drawn = {}

    def _merging(self, layer: MergedLayer) -> Callable[[Forward], Forward]:
        def around(forward: Forward) -> Forward:
            def run(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
                if layer not in self._drawn:
                    self._drawn[layer] = destinations_of(layer, self._generator).to(hidden_states.device)
                matching = match(hidden_states, self._drawn[layer], layer.merged)
                return unmerge(forward(merge(hidden_states, matching), *args, **kwargs), matching, layer.tokens)

            return run

        return around


class Grids(CacheSession):
    """Sees how many tokens each self-attention layer over the image gets."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens: dict[str, int] = {}

    def install(self, system: DiffusionSystem) -> None:
        """Watch the layers."""
        for name, module, kind in system.attention_layers():
            if kind == "self" and not name.startswith("temporal_"):
                wrap(module, self._seeing(name))

    def _seeing(self, name: str) -> Callable[[Forward], Forward]:
        def around(forward: Forward) -> Forward:
            def run(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
                self.tokens[name] = hidden_states.shape[1]
                return forward(hidden_states, *args, **kwargs)

            return run

        return around


def merged_layers(
    method: str, system: DiffusionSystem, ctx: Context, cell: int, coarser: int
) -> dict[str, tuple[int, int]]:
    """Return name -> (height, width) of the layers at the finest resolutions; raise ``Unsupported`` where none is a grid."""
    samples = list(ctx.calibration())[:1]
    if not samples:
        raise PluginError("the task gives no calibration sample, by which the layers' tokens could be counted")
    grids = Grids()
    ctx.run(system.observed_by(grids), samples, 0)
    finest = sorted(set(grids.tokens.values()), reverse=True)[: 1 + coarser]
    found = {}
    for name, tokens in grids.tokens.items():
        height = round((tokens * system.height / system.width) ** 0.5)
        if tokens in finest and height and height * (tokens // height) == tokens:
            found[name] = (height, tokens // height)
    if not found:
        kind = type(system.denoiser).__name__
        raise Unsupported(f"{method}: {kind} has no self-attention over a grid of image tokens alone")
    small = next((grid for grid in found.values() if min(grid) < cell), None)
    if small is not None:
        raise Unsupported(f"{method}: a grid of {small[0]}x{small[1]} tokens has no cell of {cell}x{cell}")
    return found
