"""The hooks of Pyramid Attention Broadcast, with caches of its own for each guided call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers.hooks import HookRegistry, PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast
from diffusers.hooks.pyramid_attention_broadcast import PyramidAttentionBroadcastState

from effbench.caching.session import CacheSession
from effbench.diffusion import DenoiserCall, DiffusionSystem
from effbench_baselines.caching.diffusers_hooks import attention_of, exactly


class BroadcastSession(CacheSession):
    """``intervals`` are runs from one output to the next of "spatial", "temporal" and "cross" layers; None: not hooked."""

    def __init__(self, intervals: Mapping[str, int | None], timesteps: tuple[int, int]) -> None:
        super().__init__()
        self.intervals, self.timesteps = intervals, timesteps
        self._hooks: list[Any] = []

    def install(self, system: DiffusionSystem) -> None:
        """Put the hooks on the attention layers."""
        layers = attention_of(system)
        settings: dict[str, Any] = {}
        for kind, interval in self.intervals.items():
            settings[f"{kind}_attention_block_skip_range"] = interval
            settings[f"{kind}_attention_timestep_skip_range"] = self.timesteps
            settings[f"{kind}_attention_block_identifiers"] = exactly([layer.name for layer in layers[kind]])
        config = PyramidAttentionBroadcastConfig(current_timestep_callback=lambda: self.timestep, **settings)
        apply_pyramid_attention_broadcast(system.denoiser, config)
        hooked = [m for kind in layers for _, m, _ in layers[kind] if "_diffusers_hook" in vars(m)]
        found = (hook for m in hooked for hook in HookRegistry.check_if_exists_or_initialize(m).hooks.values())
        self._states: dict[int, list[PyramidAttentionBroadcastState]] = {}
        self._hooks = [
            hook for hook in found if isinstance(getattr(hook, "state", None), PyramidAttentionBroadcastState)
        ]

    def denoiser_runs(self, call: DenoiserCall) -> None:
        """Give the hooks the caches of this guided call: diffusers keeps one, which two calls of a step would mix up."""
        super().denoiser_runs(call)
        states = self._states.setdefault(call.number, [PyramidAttentionBroadcastState() for _ in self._hooks])
        for hook, state in zip(self._hooks, states, strict=True):
            hook.state = state

    def call_ends(self) -> None:
        """Take the hooks off."""
        self._hooks, self._states = [], {}
        super().call_ends()
