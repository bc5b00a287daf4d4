"""The judge of videos: every frame becomes features; frames name the emoji one by one, their sequence the direction."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from effbench.zoo.moving_emoji.compose import FRAMES
from effbench.zoo.moving_emoji.language import DIRECTIONS

WIDTH = 128
"""Of the embedding of a video."""
FRAME_WIDTH, MOTION_WIDTH = 32, 64
"""Of what a frame tells the judge of direction, and of all frames together."""


class Seen(NamedTuple):
    """What the network gives.

    ``frames`` [B, F, 128] are features of frames, ``names`` [B, F, C] their cosine with every emoji's vector, ``motion``
    [B, 64] features of the sequence, ``directions`` [B, 4] logits.
    """

    frames: torch.Tensor
    names: torch.Tensor
    motion: torch.Tensor
    directions: torch.Tensor


class VideoJudge(nn.Module):
    """Videos [B, 8, 3, 32, 32] in [-1, 1] -> ``Seen``; the last 4x4 map is flattened, so that places stay apart."""

    def __init__(self, concepts: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *_stage(3, 32),
            *_stage(32, 64, stride=2),
            *_stage(64, 96),
            nn.MaxPool2d(2),
            *_stage(96, 128),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(128 * 4 * 4, WIDTH),
        )
        self.naming = nn.Linear(WIDTH, WIDTH)
        self.concepts = nn.Embedding(concepts, WIDTH)
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        self.frame = nn.Linear(WIDTH, FRAME_WIDTH)
        self.sequence = nn.Linear(FRAMES * FRAME_WIDTH, MOTION_WIDTH)
        self.direction = nn.Linear(MOTION_WIDTH, len(DIRECTIONS))

    def forward(self, videos: torch.Tensor) -> Seen:
        """Return what is seen in videos."""
        features = self.trunk(videos.flatten(0, 1)).unflatten(0, videos.shape[:2])  # [B, F, 128]
        hidden = nn.functional.gelu(features)
        vectors = nn.functional.normalize(self.naming(hidden), dim=-1)
        names = vectors @ nn.functional.normalize(self.concepts.weight, dim=-1).T  # [B, F, C]
        motion = self.sequence(nn.functional.gelu(self.frame(hidden)).flatten(1))
        return Seen(features, names, motion, self.direction(nn.functional.gelu(motion)))


def _stage(c_in: int, c_out: int, stride: int = 1) -> tuple[nn.Module, ...]:
    return nn.Conv2d(c_in, c_out, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
