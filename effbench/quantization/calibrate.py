"""What a preparation observes: inputs of layers while a system runs on calibration samples, as the task runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from effbench.api import Context, PluginError
from effbench.diffusion import DiffusionSystem
from effbench.quantization.ranges import RunningRange
from effbench.quantization.timesteps import TimestepRanges
from effbench.quantization.transform import Transform

SAMPLES_AT_ONCE = 4
"""Samples of one calibration batch; a range is updated once per batch and call of the denoiser."""
GRAM_BUDGET_MB = 1024.0
"""What Gram matrices of one pass over the calibration samples may take; more layers mean more passes."""

Layers = Sequence[tuple[str, Any]]


@dataclass
class LayerStatistics:
    """What was seen of the inputs of one layer, range by range of timesteps.

    ``channel_max`` [R, C] float32 is the largest magnitude of each input channel, ``running`` R ranges of the whole tensor,
    ``rows`` [R] how many rows went in.
    """

    channel_max: torch.Tensor
    running: list[RunningRange]
    rows: list[int]


def observe(
    system: DiffusionSystem,
    ctx: Context,
    layers: Layers,
    ranges: int = 1,
    samples: int | None = None,
    seed: int = 0,
    transforms: Mapping[str, Sequence[Transform]] | None = None,
) -> dict[str, LayerStatistics]:
    """Return layer name -> statistics of its inputs over the calibration samples (the first ``samples`` of them).

    ``transforms`` are layer name -> what its inputs are brought to first, one for each range. Raises ``PluginError`` where
    there are no samples, where an input is not finite, and for a layer that never ran.
    """
    found = {}
    for name, layer in layers:
        channels = layer.in_features if isinstance(layer, torch.nn.Linear) else layer.in_channels
        found[name] = LayerStatistics(
            torch.zeros(ranges, channels), [RunningRange() for _ in range(ranges)], [0] * ranges
        )
    where = TimestepRanges(ranges)

    def see(name: str, layer: Any, x: torch.Tensor) -> None:
        seen, index = found[name], where.current
        rows = _rows(layer, x)
        if transforms is not None and name in transforms:
            rows = transforms[name][index].activations(rows)
        largest = rows.abs().amax(0).float().cpu()
        seen.channel_max[index] = torch.maximum(seen.channel_max[index], largest)
        seen.running[index].update(rows)
        seen.rows[index] += len(rows)

    _watch(system.observed_by(where), ctx, layers, see, samples, seed, "calibrating ranges")
    for name, seen in found.items():
        if not all(seen.rows):
            raise PluginError(
                f"layer {name} never ran on the calibration samples, in range {seen.rows.index(0)} of {ranges}"
            )
    return found


def grams(
    system: DiffusionSystem,
    ctx: Context,
    layers: Layers,
    samples: int | None = None,
    seed: int = 0,
    budget_mb: float = GRAM_BUDGET_MB,
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield (layer name, X^T X [I, I] float64) of linear layers' inputs over the calibration samples.

    As many layers as ``budget_mb`` MiB hold are watched at once, at least one; the samples run once for each such part.
    """
    for part in _parts(layers, budget_mb):
        found = {
            name: torch.zeros(layer.in_features, layer.in_features, dtype=torch.float64, device=layer.weight.device)
            for name, layer in part
        }

        def see(name: str, layer: Any, x: torch.Tensor, found: dict[str, torch.Tensor] = found) -> None:
            rows = _rows(layer, x).float()
            found[name] += rows.T @ rows

        _watch(system, ctx, part, see, samples, seed, "calibrating Hessians")
        for name, _ in part:
            yield name, found.pop(name)


def _parts(layers: Layers, budget_mb: float) -> Iterator[list[tuple[str, Any]]]:
    part: list[tuple[str, Any]] = []
    held = 0.0
    for name, layer in layers:
        size_mb = layer.in_features**2 * 8 / 2**20
        if part and held + size_mb > budget_mb:
            yield part
            part, held = [], 0.0
        part.append((name, layer))
        held += size_mb
    if part:
        yield part


def _rows(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the inputs of a layer as rows [N, C]: channels are the last axis of a linear layer, the second of others."""
    if isinstance(layer, torch.nn.Linear):
        return x.flatten(0, -2)
    return x.movedim(1, -1).flatten(0, -2)


def _watch(
    system: DiffusionSystem,
    ctx: Context,
    layers: Layers,
    see: Callable[[str, Any, torch.Tensor], None],
    samples: int | None,
    seed: int,
    text: str,
) -> None:
    """Run the calibration samples batch by batch, and call ``see(name, layer, input)`` for each call of a layer."""
    given = list(ctx.calibration())[:samples]
    if not given:
        raise PluginError("the task gives no calibration samples, without which no range can be found")
    with _hooked(layers, see), torch.no_grad():
        for start in range(0, len(given), SAMPLES_AT_ONCE):
            ctx.progress(start, len(given), text)
            ctx.run(system, given[start : start + SAMPLES_AT_ONCE], seed)


@contextmanager
def _hooked(layers: Layers, see: Callable[[str, Any, torch.Tensor], None]) -> Iterator[None]:
    def hook(name: str) -> Callable[[Any, tuple[Any, ...]], None]:
        def before(layer: Any, args: tuple[Any, ...]) -> None:
            x = args[0].detach()
            if not torch.isfinite(x).all():
                raise PluginError(
                    f"layer {name} was given NaN or infinity on the calibration samples; nothing is calibrated"
                )
            see(name, layer, x)

        return before

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
