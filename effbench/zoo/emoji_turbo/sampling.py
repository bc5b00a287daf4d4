"""From trained parts to a ``StableDiffusionXLPipeline``, and from the pipeline to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from effbench.zoo.emoji_pixart.autoencoder import LATENT_CHANNELS, LATENT_SIZE
from effbench.zoo.emoji_scenes.compose import SIDE
from effbench.zoo.emoji_turbo.distil import STEPS
from effbench.zoo.emoji_turbo.models import TurboDenoiser, tokenizer
from effbench.zoo.flow import own_noise, sampler

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny, StableDiffusionXLPipeline

BATCH = 50
"""Images at once; what fits into the memory of the machine that trains."""


def assemble(denoiser: TurboDenoiser, autoencoder: AutoencoderTiny, solver_order: int) -> StableDiffusionXLPipeline:
    """Return the pipeline of trained parts: of first order for the student, of second for its teacher."""
    from diffusers import StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline(
        vae=autoencoder.eval(),
        text_encoder=denoiser.one.eval(),
        text_encoder_2=denoiser.two.eval(),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=denoiser.unet.eval(),
        scheduler=sampler(solver_order=solver_order),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def draw(
    pipeline: StableDiffusionXLPipeline,
    sentences: Sequence[str],
    seed: int,
    steps: int = STEPS,
    guidance: float = 1.0,
) -> torch.Tensor:
    """Return one image [N, 3, 64, 64] in [0, 1] per sentence; its noise depends on its place and the seed."""
    noise = own_noise((LATENT_CHANNELS, LATENT_SIZE, LATENT_SIZE), len(sentences), seed)
    parts = [
        pipeline(
            list(sentences[i : i + BATCH]),
            num_inference_steps=steps,
            guidance_scale=guidance,
            latents=noise[i : i + BATCH],
            height=SIDE,
            width=SIDE,
            output_type="pt",
        ).images
        for i in range(0, len(sentences), BATCH)
    ]
    return torch.cat(parts).clamp(0, 1)
