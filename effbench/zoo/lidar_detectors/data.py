"""The generated frames that detectors are trained on and judged by: the splits of ``data_manifests/lidar_scenes.yaml``."""

from __future__ import annotations

from effbench.lidar.frames import Frame
from effbench.lidar.scene.splits import split_frames

PROFILE = "64-beam"
"""What the detectors are trained for: KITTI's sensor."""


def train_frames(count: int, profile: str = PROFILE) -> list[Frame]:
    """Return the first frames of the training split."""
    return list(split_frames("train", profile, count))


def held_out_frames(count: int, profile: str = PROFILE) -> list[Frame]:
    """Return the first frames of the validation split: what a card says, so that a suite's evaluation split stays unseen."""
    return list(split_frames("validation", profile, count))
