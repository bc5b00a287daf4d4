"""From trained parts to a ``LattePipeline``, and from the pipeline to videos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from effbench.zoo.emoji_pixart.autoencoder import LATENT_CHANNELS
from effbench.zoo.flow import own_noise, sampler
from effbench.zoo.moving_emoji.compose import FRAMES, SIDE
from effbench.zoo.moving_emoji_latte.models import MAX_TOKENS, VideoDenoiser, tokenizer

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny, LattePipeline

STEPS, GUIDANCE, BATCH = 20, 3.0, 20
"""Of the sampler, guidance scale, and videos at once."""


def assemble(denoiser: VideoDenoiser, autoencoder: AutoencoderTiny) -> LattePipeline:
    """Return the pipeline of trained parts."""
    from diffusers import LattePipeline

    pipeline = LattePipeline(
        tokenizer=tokenizer(),
        text_encoder=denoiser.text_encoder.eval(),
        vae=autoencoder.eval(),
        transformer=denoiser.transformer.eval(),
        scheduler=sampler(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def draw(
    pipeline: LattePipeline, sentences: Sequence[str], seed: int, steps: int = STEPS, guidance: float = GUIDANCE
) -> torch.Tensor:
    """Return one video [N, F, 3, H, W] in [0, 1] per sentence; its noise depends on its place and the seed."""
    noise = own_noise((LATENT_CHANNELS, FRAMES, SIDE // 4, SIDE // 4), len(sentences), seed)
    parts = []
    for start in range(0, len(sentences), BATCH):
        words = list(sentences[start : start + BATCH])
        given, mask = embed(pipeline, words)
        parts.append(
            pipeline(
                prompt_embeds=given * mask[..., None],
                negative_prompt_embeds=embed(pipeline, [""] * len(words))[0],
                negative_prompt=None,
                num_inference_steps=steps,
                guidance_scale=guidance,
                video_length=FRAMES,
                latents=noise[start : start + BATCH],
                height=SIDE,
                width=SIDE,
                clean_caption=False,
                mask_feature=False,
                output_type="pt",
            ).frames
        )
    return torch.cat(parts).clamp(0, 1)


def embed(pipeline: LattePipeline, sentences: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (embeddings [N, 16, D], mask [N, 16]) of sentences, all padded to the length of the training."""
    tokens = pipeline.tokenizer(sentences, padding="max_length", max_length=MAX_TOKENS, return_tensors="pt")
    embeddings = pipeline.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
    return embeddings, tokens.attention_mask.to(embeddings.dtype)
