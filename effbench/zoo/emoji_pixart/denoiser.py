"""Training of text encoder and transformer on latents of scenes that are drawn on the fly.

The first stage sees scenes at 32x32 pixels (16 tokens, a fraction of the cost of a step); PixArt's sine-cosine positions
are relative to the model's grid, so that the second goes on from its weights at 64x64 (64 tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from effbench.zoo.checkpoints import load_ema, put
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.curve import SEED, ImageLearningCurve
from effbench.zoo.emoji_pixart.models import build_denoiser
from effbench.zoo.emoji_pixart.sampling import assemble, draw
from effbench.zoo.emoji_scenes.compose import Composer, to_tensor
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.language import sentence
from effbench.zoo.emoji_scenes.splits import draw_ground, draw_scene
from effbench.zoo.emoji_scenes.tokens import tokens
from effbench.zoo.fitting import TrainingPlan, fit
from effbench.zoo.flow import flow_loss

CAPTION_DROPOUT = 0.1
"""Share of captions left out, so that guidance has an unconditional half: 0.1 as in arXiv 2207.12598."""


class EmojiStage(NamedTuple):
    """One stage: its plan, how many scenes a step sees, and by what their side is divided."""

    plan: TrainingPlan
    batch: int
    shrink: int


COARSE = EmojiStage(TrainingPlan("coarse", steps=1100, lr=1e-3, warmup=200, decay_share=0.1, ema_decay=0.998), 128, 2)
"""Half of the side first, where a step is cheap. As the shipped weights were trained; card.yaml says what came of it."""
FULL = EmojiStage(TrainingPlan("full", steps=2000, lr=8e-4, warmup=100, decay_share=0.4, ema_decay=0.998), 64, 1)
"""Then the whole side. As the shipped weights were trained; card.yaml says what came of it."""
STAGES = (COARSE, FULL)
"""In the order in which they train."""


def train_denoiser(composer: Composer, work: Path, stage: EmojiStage, start_from: Path | None) -> None:
    """Run one stage to its end; it leaves its last checkpoint, whose EMA is the result."""
    torch.manual_seed(world().seed)
    autoencoder = build_autoencoder().eval()
    autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))
    model = build_denoiser()
    if start_from is not None:
        load_ema(start_from, model)

    def loss_of(step: int) -> torch.Tensor:
        rng = np.random.default_rng((world().seed, 8, stage.shrink, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        said = [draw_scene(rng, "train") for _ in range(stage.batch)]
        shown = [scene._replace(ground=draw_ground(rng, scene)) for scene in said]
        images = to_tensor(composer.paint(shown, rng))
        with torch.no_grad():
            latents = autoencoder.encode(nn.functional.avg_pool2d(images, stage.shrink)).latents
        dropped = rng.random(stage.batch) < CAPTION_DROPOUT
        ids, mask = tokens(["" if drop else sentence(scene) for scene, drop in zip(said, dropped)])
        return flow_loss(model, latents, ids, mask, generator)

    def sample_images(ema: dict[str, torch.Tensor], sentences: Sequence[str]) -> torch.Tensor:
        denoiser = build_denoiser()
        put(ema, denoiser)
        return draw(assemble(denoiser, autoencoder), sentences, SEED)

    curve = ImageLearningCurve(work, stage.plan.name, sample_images) if stage.shrink == 1 else None
    fit(model, loss_of, stage.plan, work, None if curve is None else curve.look)
