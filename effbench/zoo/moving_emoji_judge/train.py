"""The recipe of ``moving-emoji-judge``: naming and direction on videos that are drawn on the fly, some of them blemished."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from effbench.zoo.checkpoints import load_ema, save_atomically
from effbench.zoo.emoji_judge.train import blemished, refresh_statistics
from effbench.zoo.emoji_scenes.compose import Composer
from effbench.zoo.emoji_scenes.concepts import load_pictures, world
from effbench.zoo.fitting import TrainingPlan, fit
from effbench.zoo.moving_emoji.compose import film, to_tensor
from effbench.zoo.moving_emoji.language import Motion, draw_motion
from effbench.zoo.moving_emoji_judge.models import VideoJudge

PLAN = TrainingPlan("moving-judge", steps=900, lr=2e-3, warmup=50, decay_share=0.6, weight_decay=0.02, ema_decay=0.99)
"""As the shipped weights were trained; card.yaml says what came of it."""
BATCH = 24
"""Videos a step. As the shipped weights were trained; card.yaml says what came of it."""


def videos_of(
    composer: Composer, rng: np.random.Generator, split: str, count: int
) -> tuple[torch.Tensor, list[Motion]]:
    """Return drawn videos [N, F, 3, H, W] in [-1, 1] of a split with their motions."""
    motions = [draw_motion(rng, split) for _ in range(count)]
    return to_tensor(film(composer, motions, rng)), motions


def answers(motions: list[Motion]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (concepts [N], directions [N])."""
    return torch.tensor([m.concept for m in motions]), torch.tensor([m.direction for m in motions])


def train_judge(composer: Composer, work: Path) -> None:
    """Train and write ``moving-judge.safetensors`` with its accuracy on held-out combinations in the metadata."""
    torch.manual_seed(world().seed)
    model = VideoJudge(world().n_seen)

    def loss_of(step: int) -> torch.Tensor:
        rng = np.random.default_rng((world().seed, 23, step))
        videos, motions = videos_of(composer, rng, "train", BATCH)
        videos = blemished(videos.flatten(0, 1), rng).unflatten(0, videos.shape[:2])
        seen, (concepts, directions) = model(videos), answers(motions)
        scores = model.log_scale.exp() * seen.names  # [B, F, C]
        naming = nn.functional.cross_entropy(scores.flatten(0, 1), concepts.repeat_interleave(scores.shape[1]))
        return naming + nn.functional.cross_entropy(seen.directions, directions)

    fit(model, loss_of, PLAN, work)
    load_ema(work / f"{PLAN.name}.checkpoint.safetensors", model)
    rng = np.random.default_rng((world().seed, 24))
    refresh_statistics(model, lambda: model.trunk(videos_of(composer, rng, "train", BATCH)[0].flatten(0, 1)))
    facts = measure(model, composer)
    print(facts, flush=True)
    save_atomically(model.state_dict(), work / "moving-judge.safetensors", {k: f"{v:.4f}" for k, v in facts.items()})


@torch.no_grad()
def measure(model: VideoJudge, composer: Composer, count: int = 600) -> dict[str, float]:
    """Return the accuracy of emoji and direction on videos of held-out combinations."""
    videos, motions = videos_of(composer, np.random.default_rng((world().seed, 25)), "held_out", count)
    seen = [model.eval()(part) for part in videos.split(50)]
    concepts, directions = answers(motions)
    named = torch.cat([s.names.mean(1).argmax(1) for s in seen])
    moved = torch.cat([s.directions.argmax(1) for s in seen])
    return {
        "object_accuracy": float((named == concepts).double().mean()),
        "direction_accuracy": float((moved == directions).double().mean()),
        "videos": float(count),
    }


def main() -> None:
    """Train the judge, from its last checkpoint if there is one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if not (args.work / "moving-judge.safetensors").exists():
        train_judge(Composer(load_pictures(args.work)), args.work)


if __name__ == "__main__":
    main()
