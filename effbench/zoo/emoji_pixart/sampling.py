"""From trained parts to a ``PixArtSigmaPipeline``, and from the pipeline to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from effbench.zoo.emoji_scenes.tokens import tokenizer
from effbench.zoo.flow import FlowDenoiser, own_noise, sampler

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny, PixArtSigmaPipeline

STEPS, GUIDANCE = 20, 3.0
"""Of the sampler, and the scale of guidance: what the pipeline is judged at first."""


def assemble(denoiser: FlowDenoiser, autoencoder: AutoencoderTiny) -> PixArtSigmaPipeline:
    """Return the pipeline of trained parts."""
    from diffusers import PixArtSigmaPipeline

    pipeline = PixArtSigmaPipeline(
        tokenizer=tokenizer(),
        text_encoder=denoiser.text_encoder.eval(),
        vae=autoencoder.eval(),
        transformer=denoiser.transformer.eval(),
        scheduler=sampler(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: PixArtSigmaPipeline,
    sentences: Sequence[str],
    seed: int,
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    batch: int = 50,
) -> torch.Tensor:
    """Return one image [N, 3, 64, 64] in [0, 1] per sentence; its noise depends on its place and the seed."""
    size = pipeline.transformer.config.sample_size
    noise = own_noise((pipeline.transformer.config.in_channels, size, size), len(sentences), seed)
    images = []
    for start in range(0, len(sentences), batch):
        images.append(
            pipeline(
                list(sentences[start : start + batch]),
                negative_prompt="",
                num_inference_steps=steps,
                guidance_scale=guidance,
                latents=noise[start : start + batch],
                use_resolution_binning=False,
                clean_caption=False,
                max_sequence_length=pipeline.tokenizer.model_max_length,
                output_type="pt",
            ).images
        )
    return torch.cat(images)
