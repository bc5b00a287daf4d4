"""How much of a denoiser's work is left: which layers really compute while a sample is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from effbench.api import Context, PluginError, Sample, System
from effbench.diffusion import DenoiserCall, DiffusionSystem, SamplingObserver


class ComputedLayers(SamplingObserver):
    """Counts the rows that each attention, feed-forward and convolutional residual layer computes in one sampling call."""

    def __init__(self) -> None:
        self.runs = 0
        self.rows: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._handles: list[RemovableHandle] = []

    def call_begins(self, system: System) -> None:
        """Watch the last module of each layer: it runs where the layer computes, whatever is hooked on the layer itself."""
        assert isinstance(system, DiffusionSystem)
        self.runs, self.rows, self.most = 0, Counter(), Counter()
        for name, module in last_modules(system.denoiser):
            self._handles.append(module.register_forward_pre_hook(self._seeing(name)))

    def denoiser_runs(self, call: DenoiserCall) -> None:
        """Count the runs."""
        self.runs += 1

    def call_ends(self) -> None:
        """Watch no longer."""
        while self._handles:
            self._handles.pop().remove()

    @property
    def share(self) -> float:
        """Return the mean over layers of rows computed by rows without caches (the most that any run had)."""
        if not self.rows:
            raise PluginError("no attention or feed-forward layer of the denoiser was seen to compute")
        return fmean(self.rows[name] / (self.most[name] * self.runs) for name in self.rows)

    def _seeing(self, name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def see(module: nn.Module, args: tuple[Any, ...]) -> None:
            self.rows[name] += len(args[0])
            self.most[name] = max(self.most[name], len(args[0]))

        return see


def last_modules(denoiser: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield (layer's name, the module that ends it) of attention, feed-forward and residual convolutional layers."""
    from diffusers.models.attention import FeedForward
    from diffusers.models.resnet import ResnetBlock2D

    for name, module in denoiser.named_modules():
        if hasattr(module, "processor") and hasattr(module, "to_out"):
            yield name, module.to_out[0]
        elif isinstance(module, FeedForward):
            yield name, module.net[2]
        elif isinstance(module, ResnetBlock2D):
            yield name, module.conv2


def computed_share(system: DiffusionSystem, ctx: Context, sample: Sample) -> float:
    """Return the share of layers' evaluations that a system really computes on one sample."""
    counter = ComputedLayers()
    ctx.run(system.observed_by(counter), [sample], 0)
    return counter.share
