"""What every training of a detector does: draw a batch, augment and voxelise its frames, compare maps with targets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from effbench.lidar.detector.augment import augmented
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.losses import detection_losses
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.detector.targets import Objects, objects_of, targets_of
from effbench.lidar.detector.voxelise import Voxels, voxelise
from effbench.lidar.frames import Frame

BATCH = 4
"""Frames a step, as the paper has per GPU."""


def batch_at(step: int, frames: int, seed: int) -> list[int]:
    """Return the frames of a step: every epoch has its own order, drawn from seed and epoch."""
    per_epoch = frames // BATCH
    order = np.random.default_rng((seed, 31, step // per_epoch)).permutation(frames)
    at = step % per_epoch * BATCH
    return [int(i) for i in order[at : at + BATCH]]


def example(frame: Frame, config: DetectorConfig, rng: np.random.Generator) -> tuple[Voxels, Objects]:
    """Return the voxels and objects of an augmented frame."""
    objects = objects_of(frame, config.classes)
    points, boxes = augmented(frame.points, objects.boxes, rng)
    return voxelise(points, config.grid), Objects(boxes, objects.labels, objects.ignored)


def loss_of_batch(detector: LidarDetector, examples: Sequence[tuple[Voxels, Objects]]) -> torch.Tensor:
    """Return the detection loss of some examples."""
    maps = detector(detector.batch([voxels for voxels, _ in examples]))
    seen = [None] * len(examples) if maps.seen is None else maps.seen.numpy()
    targets = [targets_of(objects, detector.config, s) for (_, objects), s in zip(examples, seen)]
    return detection_losses(maps, targets).total()
