"""From trained parts to a ``LattePipeline``, and from the pipeline to videos, the way the task draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from effbench.tasks.diffusion.system import DiffusionSystem
from effbench.tasks.diffusion.videos import LatteDrawer
from effbench.zoo.flow import sampler
from effbench.zoo.moving_emoji.compose import FRAMES, SIDE
from effbench.zoo.moving_emoji_latte.models import MAX_TOKENS, VideoDenoiser, tokenizer

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny, LattePipeline

STEPS, GUIDANCE = 20, 3.0


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
    system = DiffusionSystem(pipeline, steps, guidance, SIDE, SIDE, MAX_TOKENS, FRAMES)
    shape = LatteDrawer().noise_shape(system)
    noise = torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(len(sentences))]
    )
    samples = [{"prompt": words} for words in sentences]
    parts = [
        LatteDrawer().draw(system, samples[i : i + 20], noise[i : i + 20]).pictures for i in range(0, len(samples), 20)
    ]
    return torch.cat(parts).clamp(0, 1)
