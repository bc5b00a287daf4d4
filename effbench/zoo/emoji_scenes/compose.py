"""From a scene to one of its many images: emoji of random size and place, pasted on a plain ground with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from effbench.zoo.emoji_scenes.concepts import Pixels, world
from effbench.zoo.emoji_scenes.language import NONE, Scene
from effbench.zoo.emoji_scenes.splits import draw_ground

if TYPE_CHECKING:
    import torch

SIDE = 64
"""Pixels; two emoji of 24 still show what they are."""
ALONE = {0: (28, 42), 1: (20, 25), 2: (44, 54)}
"""Smallest and largest side in pixels of an emoji that is alone, by the size that the sentence names."""
PAIRED = (24, 30)
"""Smallest and largest side in pixels of each of two emoji."""
JITTER = 10
"""Pixels by which an emoji may stand off its place, either way."""


class Composer:
    """Paints scenes; holds every concept at every size it may have, resampled once with alpha premultiplied."""

    def __init__(self, pictures: Sequence[Pixels]) -> None:
        sides = sorted({s for low, high in (*ALONE.values(), PAIRED) for s in range(low, high + 1)})
        self.sprites = {side: [_shrunk(picture, side) for picture in pictures] for side in sides}

    def paint(self, scenes: Sequence[Scene], rng: np.random.Generator) -> Pixels:
        """Return one random image [N, 64, 64, 3] per scene."""
        grounds = world().colours[[draw_ground(rng, scene) for scene in scenes]].astype(np.int16)
        grounds += rng.integers(-JITTER, JITTER + 1, grounds.shape, np.int16)
        images = np.empty((len(scenes), SIDE, SIDE, 3), np.uint8)
        images[:] = grounds.clip(0, 255).astype(np.uint8)[:, None, None]
        for image, scene in zip(images, scenes):
            for concept, side, top, left in _places(scene, rng):
                colour, rest = self.sprites[side][concept]
                area = image[top : top + side, left : left + side]
                np.copyto(area, colour + ((area * rest) >> 8).astype(np.uint8), casting="unsafe")
        return images


def to_tensor(images: Pixels) -> torch.Tensor:
    """Return images [N, H, W, 3] in 0..255 as float [N, 3, H, W] in [-1, 1]."""
    import torch

    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _places(scene: Scene, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Return (concept, side, top, left) of every emoji of a scene; two of them never overlap."""
    if scene.second == NONE:
        low, high = ALONE[scene.size]
        side = int(rng.integers(low, high + 1))
        top, left = rng.integers(0, SIDE - side + 1, 2)
        return [(scene.first, side, int(top), int(left))]
    sides = rng.integers(PAIRED[0], PAIRED[1] + 1, 2)
    free = SIDE - int(sides.sum())
    before, between = np.sort(rng.integers(0, free + 1, 2))
    along = (int(before), int(sides[0] + between))
    # The second emoji stays near the line of the first, so that the relation is the one thing to be seen.
    across_first = int(rng.integers(0, SIDE - int(sides[0]) + 1))
    across_second = int(np.clip(across_first + rng.integers(-8, 9), 0, SIDE - int(sides[1])))
    across = (across_first, across_second)
    tops, lefts = (across, along) if scene.relation == 0 else (along, across)
    return [(scene.concepts[i], int(sides[i]), tops[i], lefts[i]) for i in range(2)]


def _shrunk(picture: Pixels, side: int) -> tuple[Pixels, np.ndarray[Any, np.dtype[np.uint16]]]:
    """Return (premultiplied colour [s, s, 3] uint8, 256 minus alpha [s, s, 1] uint16) of a picture [64, 64, 4]."""
    from PIL import Image

    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS), np.float32)
    alpha = small[..., 3:] / 255
    colour = np.floor(small[..., :3] * alpha).astype(np.uint8)
    return colour, np.floor((1 - alpha) * 256).clip(0, 256).astype(np.uint16)
