"""What videos are scored with: the shipped judge of moving emoji and its features of real videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from effbench import zoo
from effbench.api import PluginError, Sample
from effbench.arrays import Array
from effbench.tasks.diffusion.judging import JudgeScores, targets_of

FILE = "videos.safetensors"
"""The file of a judge's folder by which it is one of videos."""


def find_judge(name: str) -> Path:
    """Return the folder of an embedded model's judge of videos; raise ``PluginError`` where it has none."""
    model = zoo.find(name)
    folder = zoo.find(model.card.get("judge", name)).judge
    if not (folder / FILE).is_file():
        raise PluginError(f"{name}: has no judge of videos")
    return folder


def judge_videos(folder: Path, videos: Array, samples: Sequence[Sample]) -> JudgeScores:
    """Return what the judge says of videos [N, F, C, H, W] in [0, 1] and of samples that name their emoji and direction.

    ``temporal_consistency`` is the mean cosine of the features of successive frames.
    """
    import torch

    from effbench.zoo.moving_emoji_judge.scoring import load_judge

    seen = load_judge(folder).see(torch.from_numpy(videos))
    unit = seen.frames / np.maximum(np.linalg.norm(seen.frames, axis=-1, keepdims=True), 1e-9)
    scalars = {"temporal_consistency": (unit[:, 1:] * unit[:, :-1]).sum(-1).mean(1).astype(np.float64)}
    if asked := targets_of(samples, "concept"):
        concepts, directions = np.array(asked), np.array(targets_of(samples, "direction"))
        rows = np.arange(len(samples))
        named = seen.names.mean(1).argmax(1) == concepts
        moved = seen.directions.argmax(1) == directions
        scalars |= {
            "prompt_accuracy": (named & moved).astype(np.float64),
            "object_accuracy": named.astype(np.float64),
            "direction_accuracy": moved.astype(np.float64),
            "frame_alignment": seen.names[rows, :, concepts].mean(1).astype(np.float64),
        }
    return JudgeScores(scalars, seen.features)
