"""What moves in a video, by block matching, and what should not change but does.

The flow is whole pixels within a small reach, chosen per pixel from a window around it: enough for small videos without a
trained flow network. Numbers made with it are not comparable with those made with RAFT.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from effbench.arrays import Array

REACH, WINDOW = 3, 5
"""Pixels that a pixel may move between frames, and the side of the square that is compared: a reach above what the shipped
videos move (2 pixels a frame), and a window that holds more than one edge."""
LARGEST_SIDE = 64
"""Pixels; larger frames are averaged down by a whole factor first: the reach then means something, and memory stays small."""
STILLNESS = 1e-4
"""Added to the mean squared difference per pixel of displacement, so that a plain ground stands still."""


class TemporalConsistency(NamedTuple):
    """What is measured of each video [N]; NaN where no pixel counts.

    ``warping_error`` is the mean squared difference of a frame and its successor along the flow, ``flicker`` the mean
    absolute difference of successive frames where nothing moves.
    """

    warping_error: Array
    flicker: Array


def motion_of(videos: Array) -> TemporalConsistency:
    """Return the motion of videos [N, F, C, H, W] in [0, 1] with at least two frames."""
    rows = [_motion(video) for video in videos]
    return TemporalConsistency(np.array([w for w, _ in rows]), np.array([f for _, f in rows]))


def _motion(video: Array) -> tuple[float, float]:
    video = _reduced(video)
    before, after = video[:-1], video[1:]
    forward, backward = flow(before, after), flow(after, before)  # [P, 2, H, W]
    y, x = (grid[None] + shift for grid, shift in zip(np.indices(video.shape[-2:]), np.moveaxis(forward, 1, 0)))
    inside = (y >= 0) & (y < video.shape[-2]) & (x >= 0) & (x < video.shape[-1])
    y, x = y.clip(0, video.shape[-2] - 1), x.clip(0, video.shape[-1] - 1)
    pair = np.arange(len(before))[:, None, None]
    there_and_back = forward + np.moveaxis(backward[pair, :, y, x], -1, 1)  # a pixel that is covered does not come back
    seen = inside & (np.abs(there_and_back).max(axis=1) <= 1)
    difference = np.moveaxis(after[pair, :, y, x], -1, 1) - before  # [P, C, H, W]
    still = (forward == 0).all(axis=1)
    warping = np.square(difference).mean(axis=1)[seen]
    flicker = np.abs(after - before).mean(axis=1)[still]
    return _mean(warping), _mean(flicker)


def _reduced(video: Array) -> Array:
    """Return a video [F, C, H, W] whose shorter side is at most ``LARGEST_SIDE``."""
    factor = -(-min(video.shape[-2:]) // LARGEST_SIDE)
    if factor == 1:
        return video
    height, width = (size // factor for size in video.shape[-2:])
    cut = video[..., : height * factor, : width * factor]
    reduced: Array = cut.reshape(*video.shape[:2], height, factor, width, factor).mean(axis=(3, 5), dtype=np.float32)
    return reduced


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else float("nan")


def flow(before: Array, after: Array) -> Array:
    """Return [P, 2, H, W] the (down, right) displacement in pixels of every pixel from a frame [P, C, H, W] to the next."""
    import torch

    a, b = torch.from_numpy(before).float(), torch.from_numpy(after).float()
    height, width = a.shape[-2:]
    padded = torch.nn.functional.pad(b, (REACH,) * 4, mode="replicate")
    shifts = sorted(
        ((dy, dx) for dy in range(-REACH, REACH + 1) for dx in range(-REACH, REACH + 1)),
        key=lambda s: abs(s[0]) + abs(s[1]),
    )
    least = torch.full((len(a), height, width), torch.inf)
    best = torch.zeros((len(a), height, width), dtype=torch.long)
    for number, (dy, dx) in enumerate(shifts):
        moved = padded[..., REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
        squared = (moved - a).square().mean(1, keepdim=True)
        window_mean = torch.nn.functional.avg_pool2d(
            squared, WINDOW, stride=1, padding=WINDOW // 2, count_include_pad=False
        )[:, 0]
        cost = window_mean + STILLNESS * (abs(dy) + abs(dx))
        is_less = cost < least
        least, best = torch.where(is_less, cost, least), torch.where(is_less, number, best)
    return np.moveaxis(np.array(shifts)[best.numpy()], -1, 1)
