"""What differs between pipeline classes: how each is called, from prompts and noise to pictures in [0, 1] and latents.

The pipelines run as they are published, decoding included. Ours are the noise, which depends on a sample's id and seed
alone, and the text embeddings, which are computed once per different prompt of a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from effbench.diffusion import DiffusionSystem, GuidanceOrder

if TYPE_CHECKING:
    import torch


class Generated(NamedTuple):
    """``pictures`` [B, C, H, W] or [B, F, C, H, W] in [0, 1] and the final ``latents`` [B, ...], float32 on the CPU."""

    pictures: torch.Tensor
    latents: torch.Tensor


class PipelineAdapter(ABC):
    """One pipeline class: what it holds, the sizes and prompts that it takes, and how it is called."""

    parts: tuple[str, ...] = ("tokenizer", "text_encoder", "transformer", "vae", "scheduler")
    """Components without which the pipeline cannot be called."""
    is_video = False
    takes_text = True
    takes_size = True
    guidance_halves: GuidanceOrder = "unconditional-first"
    """How the pipeline runs the two halves of classifier-free guidance, as read in its code."""
    prompt_token_limit = 300
    """Most tokens that the pipeline passes on, where its tokenizer takes more: PixArt-Sigma's ``max_sequence_length``."""

    def set_precision(self, pipeline: Any) -> None:  # noqa: B027 - most classes need nothing
        """Bring a loaded pipeline into the precision that it was published with, where one for all parts is not that."""

    def guidance_order(self, pipeline: Any) -> GuidanceOrder:
        """Return how a loaded pipeline guides above a scale of 1; "off" where it never does."""
        return self.guidance_halves

    def pixels_per_latent(self, pipeline: Any) -> int:
        """Return how many pixels a latent spans."""
        return int(pipeline.vae_scale_factor)

    def size(self, pipeline: Any) -> tuple[int, int]:
        """Return the (height, width) in pixels that the model was trained for."""
        side = int(pipeline.transformer.config.sample_size) * self.pixels_per_latent(pipeline)
        return side, side

    def frames(self, pipeline: Any) -> int:
        """Return the number of frames that the model was trained for."""
        return 1

    def size_multiple(self, pipeline: Any) -> int:
        """Return what height and width must be a multiple of, in pixels."""
        return self.pixels_per_latent(pipeline) * int(pipeline.transformer.config.patch_size)

    def frame_step(self, pipeline: Any) -> int:
        """Return the step n of the allowed numbers of frames 1, 1 + n, 1 + 2n, ...; 1 where every number is allowed."""
        return 1

    def text_encoders(self, pipeline: Any) -> list[tuple[Any, Any]]:
        """Return the pairs of tokenizer and text encoder that a prompt goes through."""
        return [(pipeline.tokenizer, pipeline.text_encoder)]

    def max_prompt_tokens(self, pipeline: Any) -> int:
        """Return how many tokens of a prompt reach the model; 0 where it takes none."""
        return min(
            (min(self.prompt_token_limit, t.model_max_length) for t, _ in self.text_encoders(pipeline)), default=0
        )

    def noise_shape(self, system: DiffusionSystem) -> tuple[int, ...]:
        """Return the shape of one sample's initial noise, [c, h, w] for an image."""
        scale = self.pixels_per_latent(system.pipeline)
        return int(system.denoiser.config.in_channels), system.height // scale, system.width // scale

    @abstractmethod
    def generate(
        self,
        system: DiffusionSystem,
        samples: Sequence[Mapping[str, Any]],
        noise: torch.Tensor,
        generators: list[torch.Generator] | None = None,
    ) -> Generated:
        """Return what the pipeline makes of the samples' ``prompt`` (or ``label``) and their noise [B, ...].

        ``generators`` are for samplers that draw noise at every step, one per sample, on the CPU.
        """


class FinalLatents:
    """A step callback that keeps the last latents, in both forms that pipelines call it in."""

    def __init__(self) -> None:
        self.latents: Any = None

    def on_step_end(self, pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Take the ``callback_on_step_end`` of newer pipelines."""
        self.latents = tensors["latents"]
        return {}

    def on_step(self, step: int, timestep: Any, latents: Any) -> None:
        """Take the ``callback`` of older pipelines."""
        self.latents = latents


def generated(pictures: torch.Tensor, final: FinalLatents) -> Generated:
    """Return both as float32 on the CPU."""
    return Generated(pictures.float().cpu(), final.latents.float().cpu())


def distinct(prompts: Sequence[str]) -> tuple[list[str], list[int]]:
    """Return the different prompts in their order and for each prompt its place among them."""
    places: dict[str, int] = {}
    rows = [places.setdefault(prompt, len(places)) for prompt in prompts]
    return list(places), rows
