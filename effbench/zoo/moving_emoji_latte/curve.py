"""The curve of the training: emoji and direction right on both lists, every ten training minutes, with a sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from effbench.zoo.checkpoints import put
from effbench.zoo.emoji_pixart.curve import EVERY_S, SEED, save_sheet
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.fitting import write_line
from effbench.zoo.moving_emoji.language import Motion
from effbench.zoo.moving_emoji.prompts import entries
from effbench.zoo.moving_emoji_judge.models import VideoJudge
from effbench.zoo.moving_emoji_judge.scoring import VideoScorer
from effbench.zoo.moving_emoji_latte.models import build_denoiser
from effbench.zoo.moving_emoji_latte.sampling import assemble, draw

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny

LISTS = ("held_out", "evaluation")
"""Prompts that are judged, as ``moving_emoji`` names them."""


def trained_judge(work: Path) -> VideoScorer:
    """Return the judge as its recipe left it."""
    net = VideoJudge(world().n_seen)
    net.load_state_dict(load_file(work / "moving-judge.safetensors"))
    return VideoScorer(net)


def accuracy(videos: torch.Tensor, motions: Sequence[Motion], judge: VideoScorer) -> dict[str, float]:
    """Return how often the judge names the emoji and the direction of videos [N, F, 3, H, W] in [0, 1]."""
    seen = judge.see(videos)
    named, moved = seen.names.mean(1).argmax(1), seen.directions.argmax(1)
    count = len(motions)
    return {
        "object": sum(int(n) == m.concept for n, m in zip(named, motions)) / count,
        "direction": sum(int(d) == m.direction for d, m in zip(moved, motions)) / count,
    }


class VideoLearningCurve:
    """Looks at the EMA of a running training and writes what it sees to ``curve.jsonl`` and ``look/``."""

    def __init__(self, work: Path, stage: str, autoencoder: AutoencoderTiny) -> None:
        self.work, self.stage, self.autoencoder = work, stage, autoencoder
        self.judge = trained_judge(work)
        self.looked_s = 0.0

    def look(self, step: int, training_s: float, ema: dict[str, torch.Tensor]) -> None:
        """Sample both lists at 20 steps, unless ten training minutes have not passed since the last look."""
        if self.looked_s and training_s - self.looked_s < EVERY_S:
            return
        self.looked_s = training_s
        denoiser = build_denoiser()
        put(ema, denoiser)
        pipeline = assemble(denoiser, self.autoencoder)
        seen: dict[str, float] = {}
        for name in LISTS:
            rows = entries(name)
            videos = draw(pipeline, [prompt for _, prompt, _ in rows], seed=SEED)
            found = accuracy(videos, [motion for _, _, motion in rows], self.judge)
            seen |= {f"{name}_{what}": round(share, 4) for what, share in found.items()}
            save_sheet(
                videos[:16].flatten(0, 1), self.work / "look" / f"{self.stage}-{step:05d}-{name}.png", columns=16
            )
        write_line(self.work, stage=self.stage, step=step, training_s=round(training_s, 1), **seen)
