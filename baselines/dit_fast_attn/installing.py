"""Giving attention layers other processors while a sampling call runs, and their own back when it ends, by an error too."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from effbench.api import PluginError, System, Unsupported
from effbench.diffusion import AttentionLayer, DenoiserCall, DiffusionSystem, SamplingObserver

KNOWN_PROCESSORS = {
    "self": ("AttnProcessor2_0", "AttnProcessor", "FusedAttnProcessor2_0", "JoinedAttention"),
    "joint": ("CogVideoXAttnProcessor2_0", "FusedCogVideoXAttnProcessor2_0"),
}
"""Kind of attention -> classes of processors whose arithmetic ``tokens.py`` repeats."""


def replaceable_layers(system: DiffusionSystem) -> dict[str, AttentionLayer]:
    """Return the self- and joint attention layers by name; raise ``Unsupported`` where there is none or one is not known."""
    layers = [layer for layer in system.attention_layers() if layer.kind in KNOWN_PROCESSORS]
    for name, module, kind in layers:
        processor = type(module.processor).__name__
        if processor not in KNOWN_PROCESSORS[kind]:
            raise Unsupported(
                f"{name} attends by {processor}, which cannot be replaced; known are {', '.join(KNOWN_PROCESSORS[kind])}"
            )
    if not layers:
        raise Unsupported(f"{type(system.denoiser).__name__} has no self-attention layer")
    return {layer.name: layer for layer in layers}


class ProcessorSwap(SamplingObserver):
    """Puts a processor of its own into every replaceable layer for the time of each sampling call."""

    def __init__(self) -> None:
        self.call: DenoiserCall | None = None
        self._before: list[tuple[Any, Any]] = []

    @abstractmethod
    def processor_of(self, layer: AttentionLayer) -> Any:
        """Return the processor for a layer."""

    def call_begins(self, system: System) -> None:
        """Swap the processors in."""
        assert isinstance(system, DiffusionSystem)
        for layer in replaceable_layers(system).values():
            self._before.append((layer.module, layer.module.processor))
            layer.module.processor = self.processor_of(layer)

    def denoiser_runs(self, call: DenoiserCall) -> None:
        """Take note of the step."""
        self.call = call

    def call_ends(self) -> None:
        """Give the layers their own processors back."""
        while self._before:
            module, processor = self._before.pop()
            module.processor = processor
        self.call = None

    def running(self) -> DenoiserCall:
        """Return the call that runs; raise ``PluginError`` where the denoiser was run past its hooks."""
        if self.call is None:
            raise PluginError("the denoiser runs, and no step was announced: the sampler goes past its hooks")
        return self.call
