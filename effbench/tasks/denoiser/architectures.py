"""Published denoisers, built without their weights: what a call costs depends on the shape alone.

The depth may be cut, since blocks repeat; width, heads, text length and tokens are the published ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from effbench.api import PluginError

Tensors = Mapping[str, Any]
TEXT_TOKENS = {"pixart-sigma-xl2": 300, "sdxl-mid-block": 77}
"""Tokens of a prompt: PixArt-Sigma's ``max_sequence_length``, and the positions of SDXL's text encoders."""


@dataclass(frozen=True)
class Architecture:
    """How a denoiser is made and called.

    ``build(blocks, tokens)`` returns the module, ``inputs(tokens)`` the shapes of one sample's tensors, and
    ``call(model, given, timestep)`` runs it on a batch of them at one noise level.
    """

    depth: int
    tokens: tuple[int, ...]
    pixels_per_token: int
    build: Callable[[int, int], Any]
    inputs: Callable[[int], dict[str, tuple[int, ...]]]
    call: Callable[[Any, Tensors, float], Any]


def side_of(tokens: int) -> int:
    """Return the side of a square of tokens."""
    return math.isqrt(tokens)


def _pixart(blocks: int, tokens: int) -> Any:
    from diffusers import PixArtTransformer2DModel

    return PixArtTransformer2DModel(
        num_attention_heads=16,
        attention_head_dim=72,
        in_channels=4,
        out_channels=8,
        num_layers=blocks,
        cross_attention_dim=1152,
        sample_size=2 * side_of(tokens),
        patch_size=2,
        caption_channels=4096,
        use_additional_conditions=False,
    )


def _pixart_inputs(tokens: int) -> dict[str, tuple[int, ...]]:
    side = 2 * side_of(tokens)
    return {"latent": (4, side, side), "text": (TEXT_TOKENS["pixart-sigma-xl2"], 4096)}


def _call_pixart(model: Any, given: Tensors, timestep: float) -> Any:
    import torch

    batch = len(given["latent"])
    return model(
        given["latent"],
        encoder_hidden_states=given["text"],
        encoder_attention_mask=torch.ones(given["text"].shape[:2], device=given["text"].device),
        timestep=torch.full((batch,), timestep, device=given["latent"].device),
        added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        return_dict=False,
    )[0]


def _sdxl_mid(blocks: int, tokens: int) -> Any:
    from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2DCrossAttn

    return UNetMidBlock2DCrossAttn(
        in_channels=1280,
        temb_channels=1280,
        transformer_layers_per_block=blocks,
        num_attention_heads=20,
        cross_attention_dim=2048,
        use_linear_projection=True,
    )


def _sdxl_mid_inputs(tokens: int) -> dict[str, tuple[int, ...]]:
    side = side_of(tokens)
    return {"latent": (1280, side, side), "text": (TEXT_TOKENS["sdxl-mid-block"], 2048), "time": (1280,)}


def _call_sdxl_mid(model: Any, given: Tensors, _: float) -> Any:
    return model(given["latent"], temb=given["time"], encoder_hidden_states=given["text"])


ARCHITECTURES = {
    "pixart-sigma-xl2": Architecture(28, (256, 1024, 4096), 16, _pixart, _pixart_inputs, _call_pixart),
    "sdxl-mid-block": Architecture(10, (256, 1024), 32, _sdxl_mid, _sdxl_mid_inputs, _call_sdxl_mid),
}
"""Name -> architecture; depth, width, heads and tokens are those of the published configurations (PixArt-alpha/PixArt-Sigma,
stabilityai/stable-diffusion-xl-base-1.0)."""


def check(name: str, blocks: int | None, tokens: int) -> None:
    """Raise ``PluginError`` where an architecture has no such depth or number of tokens."""
    architecture = ARCHITECTURES[name]
    if tokens not in architecture.tokens:
        near = min(architecture.tokens, key=lambda t: abs(t - tokens))
        raise PluginError(f"tokens {tokens}: {name} is built for {_list(architecture.tokens)}; the nearest is {near}")
    if blocks is not None and blocks > architecture.depth:
        raise PluginError(f"blocks {blocks}: {name} has {architecture.depth}; fewer are allowed, more are not")


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
