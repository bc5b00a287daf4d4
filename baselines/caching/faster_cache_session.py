"""The hooks of FasterCache, for either order of the guided halves."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.hooks import FasterCacheConfig, apply_faster_cache

from effbench.caching.session import CacheSession, Forward, wrap
from effbench.diffusion import DiffusionSystem
from effbench_baselines.caching.diffusers_hooks import attention_of, exactly, quiet

OF_THE_BATCH = (
    "hidden_states", "encoder_hidden_states", "timestep", "attention_mask", "encoder_attention_mask", "class_labels",
)  # fmt: skip
"""Arguments of a denoiser that lead with the guided batch: diffusers' list, and DiT's labels."""


class FasterCacheSession(CacheSession):
    """``settings`` are the method's parameters."""

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings

    def install(self, system: DiffusionSystem) -> None:
        """Put the hooks on the denoiser and its self-attention."""
        given, layers, order = self.settings, attention_of(system), system.guidance_order
        config = FasterCacheConfig(
            spatial_attention_block_skip_range=given.attention,
            temporal_attention_block_skip_range=given.attention,
            spatial_attention_timestep_skip_range=given.attention_timesteps,
            temporal_attention_timestep_skip_range=given.attention_timesteps,
            unconditional_batch_skip_range=given.unconditional,
            unconditional_batch_timestep_skip_range=given.unconditional_timesteps,
            spatial_attention_block_identifiers=exactly([layer.name for layer in layers["spatial"]]),
            temporal_attention_block_identifiers=exactly([layer.name for layer in layers["temporal"]]),
            attention_weight_callback=lambda _: given.attention_weight,
            alpha_low_frequency=given.alpha_low,
            alpha_high_frequency=given.alpha_high,
            tensor_format="BCFHW" if system.frames > 1 else "BCHW",
            is_guidance_distilled=order == "off",
            current_timestep_callback=lambda: self.timestep,
            _unconditional_conditional_input_kwargs_identifiers=list(OF_THE_BATCH),
        )
        with quiet():
            apply_faster_cache(system.denoiser, config)
        if order == "conditional-first":
            wrap(system.denoiser, _halves_swapped)


def _halves_swapped(forward: Forward) -> Forward:
    """Return a ``forward`` that is given the second half of the batch first and gives the halves back in their order."""

    def run(*args: Any, **kwargs: Any) -> Any:
        named = {name: _swapped(value) if name in OF_THE_BATCH else value for name, value in kwargs.items()}
        out = forward(*map(_swapped, args), **named)
        if isinstance(out, tuple):
            return (_swapped(out[0]), *out[1:])
        out.sample = _swapped(out.sample)
        return out

    return run


def _swapped(value: Any) -> Any:
    return torch.cat(value.chunk(2)[::-1]) if torch.is_tensor(value) and value.dim() else value
