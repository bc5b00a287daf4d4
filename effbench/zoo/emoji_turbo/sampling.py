"""From trained parts to a ``StableDiffusionXLPipeline``, and from the pipeline to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from effbench.tasks.diffusion.images import SdxlDrawer
from effbench.tasks.diffusion.system import DiffusionSystem
from effbench.zoo.emoji_scenes.compose import SIDE
from effbench.zoo.emoji_turbo.distil import STEPS
from effbench.zoo.emoji_turbo.models import MAX_TOKENS, TurboDenoiser, tokenizer
from effbench.zoo.flow import sampler

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny, StableDiffusionXLPipeline

BATCH = 50


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
    system, drawer = DiffusionSystem(pipeline, steps, guidance, SIDE, SIDE, MAX_TOKENS), SdxlDrawer()
    shape = drawer.noise_shape(system)
    noise = torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(1000 * seed + i)) for i in range(len(sentences))]
    )
    samples = [{"prompt": words} for words in sentences]
    parts = [
        drawer.draw(system, samples[i : i + BATCH], noise[i : i + BATCH]).pictures
        for i in range(0, len(samples), BATCH)
    ]
    return torch.cat(parts).clamp(0, 1)
