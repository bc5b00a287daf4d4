"""The curve of a training: right-among-20 of the judge on the held-out and the evaluation list, every ten minutes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from effbench.zoo.emoji_judge.models import DualEncoder
from effbench.zoo.emoji_judge.scoring import ImageTextScorer, first_among
from effbench.zoo.emoji_scenes.prompts import candidates, prompts
from effbench.zoo.emoji_scenes.tokens import tokenizer
from effbench.zoo.fitting import write_line

ImageSampler = Callable[[dict[str, torch.Tensor], Sequence[str]], torch.Tensor]
"""From parameters of a network and sentences to images [N, 3, 64, 64] in [0, 1], always on the noise of ``SEED``."""

EVERY_S = 600.0
"""Seconds of training between two points of the curve."""
LISTS = ("held_out", "evaluation")
"""Prompts that are judged, as ``emoji_scenes`` names them."""
SEED = 1
"""Of the noise, the same at every point, so that points differ by training alone."""


def trained_judge(work: Path) -> ImageTextScorer:
    """Return the judge as its recipe left it."""
    encoder = DualEncoder(len(tokenizer()))
    encoder.load_state_dict(load_file(work / "judge.safetensors"))
    return ImageTextScorer(encoder, tokenizer())


def accuracy(images: torch.Tensor, name: str, judge: ImageTextScorer) -> float:
    """Return the share of images [N, 3, 64, 64] in [0, 1], of the first N prompts of a list, that fit theirs best of 20."""
    sentences = judge.sentences([entry.prompt for entry in prompts(name)])
    rows: Sequence[Sequence[int]] = candidates(name)[: len(images)]
    return float(np.mean(first_among(judge.images(images)[0], sentences, rows)))


class ImageLearningCurve:
    """Looks at the EMA of a running training and writes what it sees to ``curve.jsonl`` and ``look/``."""

    def __init__(self, work: Path, stage: str, sampler: ImageSampler) -> None:
        self.work, self.stage, self.sampler = work, stage, sampler
        self.judge = trained_judge(work)
        self.looked_s = 0.0

    def look(self, step: int, training_s: float, ema: dict[str, torch.Tensor]) -> None:
        """Draw both lists, unless ten training minutes have not passed since the last look."""
        if self.looked_s and training_s - self.looked_s < EVERY_S:
            return
        self.looked_s = training_s
        seen = {}
        for name in LISTS:
            images = self.sampler(ema, [entry.prompt for entry in prompts(name)])
            seen[f"{name}_among_20"] = accuracy(images, name, self.judge)
            save_sheet(images[:40], self.work / "look" / f"{self.stage}-{step:05d}-{name}.png")
        write_line(self.work, stage=self.stage, step=step, training_s=round(training_s, 1), **seen)


def save_sheet(images: torch.Tensor, path: Path, columns: int = 10, zoom: int = 2) -> None:
    """Write images [N, 3, H, W] in [0, 1] as one picture, row by row."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [torch.cat(list(row), dim=2) for row in images.split(columns) if len(row) == columns]
    sheet = torch.cat(rows, dim=1).mul(255).round().byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(sheet)
    picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST).save(path)
