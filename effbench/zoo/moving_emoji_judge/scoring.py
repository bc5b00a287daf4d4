"""What the shipped judge says of videos, frame by frame and of the whole."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

from effbench.arrays import Array
from effbench.zoo.moving_emoji_judge.models import VideoJudge

FILE = "videos.safetensors"
"""The judge's weights, in its folder."""


class VideoJudgeOutput(NamedTuple):
    """What the judge sees in N videos.

    ``names`` [N, F, C] is the cosine of every frame with every emoji, ``directions`` [N, 4] are logits, ``frames``
    [N, F, 128] features; ``features`` [N, 192] are those of distances: the mean over the frames beside the motion's.
    """

    names: Array
    directions: Array
    frames: Array
    features: Array


class VideoScorer:
    """The network in evaluation mode; videos are [N, 8, 3, 32, 32] in [0, 1]."""

    def __init__(self, net: VideoJudge) -> None:
        self.net = net.eval()

    @torch.no_grad()
    def see(self, videos: torch.Tensor, batch: int = 32) -> VideoJudgeOutput:
        """Return what is seen in videos."""
        parts = [self.net(part.float() * 2 - 1) for part in videos.split(batch)]
        frames, names, motion, directions = (torch.cat(column) for column in zip(*parts))
        features = torch.cat([frames.mean(1), motion], dim=1)
        return VideoJudgeOutput(names.numpy(), directions.numpy(), frames.numpy(), features.numpy())


@cache
def load_judge(folder: Path) -> VideoScorer:
    """Return the judge of a folder that holds the network."""
    from safetensors.torch import load_file

    weights = load_file(folder / FILE)
    net = VideoJudge(len(weights["concepts.weight"]))
    net.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in weights.items()})
    return VideoScorer(net)
