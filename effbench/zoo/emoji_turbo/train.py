"""The recipe of ``emoji-turbo``: a guided teacher of SDXL's type, then its four-step student; resumable at any point.

Uses the autoencoder and the judge of ``make zoo-emoji-pixart``, in the same work folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from effbench.zoo.checkpoints import facts_of, load_ema, put
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.curve import SEED, ImageLearningCurve
from effbench.zoo.emoji_scenes.compose import Composer, to_tensor
from effbench.zoo.emoji_scenes.concepts import load_pictures, world
from effbench.zoo.emoji_scenes.language import sentence
from effbench.zoo.emoji_scenes.splits import draw_ground, draw_scene
from effbench.zoo.emoji_turbo.distil import GUIDANCE, STEPS, distillation_loss
from effbench.zoo.emoji_turbo.models import build_denoiser, token_ids
from effbench.zoo.emoji_turbo.sampling import assemble, draw
from effbench.zoo.fitting import TrainingPlan, fit
from effbench.zoo.flow import flow_batch

TEACHER = TrainingPlan("turbo-teacher", steps=2400, lr=8e-4, warmup=100, decay_share=0.4, ema_decay=0.998)
"""As the shipped weights were trained; card.yaml says what came of it."""
STUDENT = TrainingPlan("turbo", steps=1500, lr=3e-4, warmup=50, decay_share=0.6, ema_decay=0.995)
"""As the shipped weights were trained; card.yaml says what came of it."""
BATCH, CAPTION_DROPOUT = 64, 0.1
"""Images a step; captions left out for guidance, 0.1 as in arXiv 2207.12598."""
TEACHER_STEPS = 20
"""Of the teacher when it is looked at."""


class Scenes:
    """Draws latents of training scenes with the ids of their sentences."""

    def __init__(self, composer: Composer, work: Path) -> None:
        self.composer, self.autoencoder = composer, build_autoencoder().eval()
        self.autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))

    @torch.no_grad()
    def draw(self, stage: int, step: int, dropout: float) -> tuple[torch.Tensor, torch.Tensor, torch.Generator]:
        """Return (latents, ids, generator) of a step; a share of the sentences is dropped."""
        rng = np.random.default_rng((world().seed, 30, stage, step))
        said = [draw_scene(rng, "train") for _ in range(BATCH)]
        shown = [scene._replace(ground=draw_ground(rng, scene)) for scene in said]
        latents = self.autoencoder.encode(to_tensor(self.composer.paint(shown, rng))).latents
        dropped = rng.random(BATCH) < dropout
        ids = token_ids(["" if drop else sentence(scene) for scene, drop in zip(said, dropped)])
        return latents, ids, torch.Generator().manual_seed(int(rng.integers(2**62)))

    def images(
        self, ema: dict[str, torch.Tensor], solver_order: int, sentences: Sequence[str], steps: int, guidance: float
    ) -> torch.Tensor:
        """Return what the network with these parameters draws, [N, 3, 64, 64] in [0, 1]."""
        denoiser = build_denoiser()
        put(ema, denoiser)
        return draw(assemble(denoiser, self.autoencoder, solver_order), sentences, SEED, steps, guidance)


def train_teacher(scenes: Scenes, work: Path) -> None:
    """Train the teacher by flow matching; its last checkpoint stays."""
    torch.manual_seed(world().seed)
    model = build_denoiser()

    def loss_of(step: int) -> torch.Tensor:
        latents, ids, generator = scenes.draw(0, step, CAPTION_DROPOUT)
        mixed, s, velocity = flow_batch(latents, generator)
        return nn.functional.mse_loss(model(mixed, s, *model.embed(ids)), velocity)

    def sample_images(ema: dict[str, torch.Tensor], sentences: Sequence[str]) -> torch.Tensor:
        return scenes.images(ema, 2, sentences, TEACHER_STEPS, GUIDANCE)

    fit(model, loss_of, TEACHER, work, ImageLearningCurve(work, TEACHER.name, sample_images).look)


def train_student(scenes: Scenes, work: Path) -> None:
    """Distil the teacher's EMA into a student that begins as its copy; its last checkpoint stays."""
    teacher, student = build_denoiser().eval(), build_denoiser()
    for model in (teacher, student):
        load_ema(work / f"{TEACHER.name}.checkpoint.safetensors", model)
    teacher.requires_grad_(False)
    empty = token_ids([""])

    def loss_of(step: int) -> torch.Tensor:
        latents, ids, generator = scenes.draw(1, step, 0.0)
        return distillation_loss(student, teacher, latents, ids, empty, generator)

    def sample_images(ema: dict[str, torch.Tensor], sentences: Sequence[str]) -> torch.Tensor:
        return scenes.images(ema, 1, sentences, STEPS, 1.0)

    fit(student, loss_of, STUDENT, work, ImageLearningCurve(work, STUDENT.name, sample_images).look)


def is_done(work: Path, plan: TrainingPlan) -> bool:
    """Return whether a stage has reached the end of its plan."""
    checkpoint = work / f"{plan.name}.checkpoint.safetensors"
    return checkpoint.exists() and int(facts_of(checkpoint)["step"]) >= plan.steps


def main() -> None:
    """Run what is not finished yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    scenes = Scenes(Composer(load_pictures(args.work)), args.work)
    if not is_done(args.work, TEACHER):
        train_teacher(scenes, args.work)
    if not is_done(args.work, STUDENT):
        train_student(scenes, args.work)


if __name__ == "__main__":
    main()
