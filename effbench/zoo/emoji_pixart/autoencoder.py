"""The autoencoder of the emoji models: [B, 3, 64, 64] in [-1, 1] <-> latents [B, 4, 16, 16] of about unit variance.

``AutoencoderTiny`` has no normalisation over the image, so it is trained on 32x32 crops, four times cheaper than scenes
and richer in emoji; the last steps see whole scenes. Noise on the latents makes the decoder tolerate what a sampler gets
wrong; two penalties keep mean and spread near 0 and 1, inside the range of 3 that the decoder lets through.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from effbench.zoo.checkpoints import save_atomically
from effbench.zoo.emoji_scenes.compose import Composer, to_tensor
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.splits import draw_scene
from effbench.zoo.fitting import TrainingPlan, fit

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny

LATENT_CHANNELS, LATENT_SIZE = 4, 16
"""As in Stable Diffusion's autoencoder; a quarter of the images' side."""
PLAN = TrainingPlan("autoencoder", steps=1700, lr=1.5e-3, decay_share=0.5, weight_decay=0.0, ema_decay=0.99)
"""As the shipped weights were trained; card.yaml says what came of it."""
CROP, CROPS, SCENES, WHOLE_SHARE = 32, 64, 48, 0.12
"""Side and number of crops of a step, scenes that they are cut from, share of steps on whole scenes. As the shipped
weights were trained; card.yaml says what came of it.
"""
LATENT_NOISE, MOMENT_WEIGHT = 0.08, 0.01
"""Noise that decoding has to bear, and the weight that holds latents near unit variance. As the shipped weights were
trained; card.yaml says what came of it.
"""


def build_autoencoder(width: int = 48) -> AutoencoderTiny:
    """Return the untrained autoencoder of factor 4; only one of its blocks works at full resolution."""
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(
        encoder_block_out_channels=(width,) * 3,
        decoder_block_out_channels=(width,) * 3,
        num_encoder_blocks=(0, 2, 3),
        num_decoder_blocks=(3, 2, 1),
        latent_channels=LATENT_CHANNELS,
        scaling_factor=1.0,
    )


def train_autoencoder(composer: Composer, work: Path) -> None:
    """Train and write ``autoencoder.safetensors`` with the PSNR on held-out scenes in its metadata."""
    torch.manual_seed(world().seed)
    model = build_autoencoder()

    def loss_of(step: int) -> torch.Tensor:
        rng = np.random.default_rng((world().seed, 1, step))
        images = training_images(composer, rng, whole=step >= (1 - WHOLE_SHARE) * PLAN.steps)
        latents = model.encode(images).latents
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(step))
        restored = model.decode(latents + LATENT_NOISE * noise).sample
        spread, mean = latents.std((0, 2, 3)), latents.mean((0, 2, 3))
        moments = (spread - 1).square().mean() + mean.square().mean()
        loss: torch.Tensor = nn.functional.smooth_l1_loss(restored, images, beta=0.1) + MOMENT_WEIGHT * moments
        return loss

    ema = fit(model, loss_of, PLAN, work)
    model.load_state_dict({**model.state_dict(), **ema})
    psnr_db = held_out_psnr_db(model, composer)
    print(f"autoencoder: held-out PSNR {psnr_db:.2f} dB", flush=True)
    save_atomically(model.state_dict(), work / "autoencoder.safetensors", {"held_out_psnr_db": f"{psnr_db:.2f}"})


def training_images(composer: Composer, rng: np.random.Generator, *, whole: bool) -> torch.Tensor:
    """Return 16 scenes [16, 3, 64, 64], or the 64 most eventful of 96 random crops [64, 3, 32, 32]."""
    scenes = composer.paint([draw_scene(rng, "train") for _ in range(16 if whole else SCENES)], rng)
    if whole:
        return to_tensor(scenes)
    corners = rng.integers(0, scenes.shape[1] - CROP + 1, (2 * SCENES, 2))
    crops = [scenes[i // 2, y : y + CROP, x : x + CROP] for i, (y, x) in enumerate(corners)]
    kept = np.argsort([-crop.std(axis=(0, 1)).sum() for crop in crops])[:CROPS]
    return to_tensor(np.stack([crops[i] for i in kept]))


@torch.no_grad()
def held_out_psnr_db(model: AutoencoderTiny, composer: Composer, count: int = 256) -> float:
    """Return the mean PSNR in dB over scenes of held-out combinations, values clipped to the range of images."""
    rng = np.random.default_rng((world().seed, 2))
    images = to_tensor(composer.paint([draw_scene(rng, "held-out") for _ in range(count)], rng))
    restored = torch.cat([model.decode(model.encode(part).latents).sample for part in images.split(32)])
    errors = (restored.clamp(-1, 1) - images).square().mean((1, 2, 3))
    return float((10 * torch.log10(4 / errors)).mean())
