"""From a motion to one of its many videos: an emoji of random size that starts and travels at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from effbench.zoo.emoji_scenes.compose import JITTER, Composer
from effbench.zoo.emoji_scenes.concepts import Pixels, world
from effbench.zoo.moving_emoji.language import STEPS, Motion, draw_ground

if TYPE_CHECKING:
    import torch

FRAMES, SIDE = 8, 32
"""Frames of a video and their side in pixels: as much as two CPU cores train on."""
EMOJI = (20, 22)
"""Smallest and largest side in pixels; the composer of the scenes holds emoji of these sizes."""
LEAST_TRAVEL = 7
"""Pixels from the first to the last frame, so that no two frames are alike."""


def film(composer: Composer, motions: Sequence[Motion], rng: np.random.Generator) -> Pixels:
    """Return one random video [N, 8, 32, 32, 3] per motion; every frame is painted, none is interpolated."""
    grounds = world().colours[[draw_ground(rng, motion) for motion in motions]].astype(np.int16)
    grounds += rng.integers(-JITTER, JITTER + 1, grounds.shape, np.int16)
    videos = np.empty((len(motions), FRAMES, SIDE, SIDE, 3), np.uint8)
    videos[:] = grounds.clip(0, 255).astype(np.uint8)[:, None, None, None]
    for video, motion in zip(videos, motions):
        side = int(rng.integers(EMOJI[0], EMOJI[1] + 1))
        colour, rest = composer.sprites[side][motion.concept]
        for frame, (top, left) in zip(video, _path(motion, side, rng)):
            area = frame[top : top + side, left : left + side]
            np.copyto(area, colour + ((area * rest) >> 8).astype(np.uint8), casting="unsafe")
    return videos


def _path(motion: Motion, side: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return (top, left) in every frame: even steps along the direction, a fixed place across it."""
    room = SIDE - side
    travel = int(rng.integers(LEAST_TRAVEL, room + 1))
    start = int(rng.integers(0, room - travel + 1))
    along = np.round(start + np.linspace(0, travel, FRAMES)).astype(int)
    down, right = STEPS[motion.direction]
    if down + right < 0:
        along = along[::-1]
    across = int(rng.integers(0, room + 1))
    return [(int(a), across) if down else (across, int(a)) for a in along]


def to_tensor(videos: Pixels) -> torch.Tensor:
    """Return videos [N, F, H, W, 3] in 0..255 as float [N, F, 3, H, W] in [-1, 1]."""
    import torch

    return torch.from_numpy(videos).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
