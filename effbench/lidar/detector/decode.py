"""From a head's maps to boxes: peaks of the heat map, their boxes, suppression of what overlaps."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from effbench.arrays import Array
from effbench.lidar.boxes import nms_bev
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.head import HeadMaps
from effbench.lidar.detector.targets import AXIS_RAD, HEIGHT_ORIGIN_M
from effbench.lidar.frames import Detections

FEWEST_SCORE = 0.05
"""Peaks below are not boxes; an average precision hardly sees what ranks below."""
MOST_PEAKS = 100
"""Peaks of all classes that a frame may have; a generated frame holds a few tens of objects."""
MOST_OVERLAP = 0.1
"""BEV IoU above which the weaker of two boxes of a class goes: objects do not stand inside each other."""
LOG_SIZE = (-2.0, 3.0)
"""Bounds of a predicted logarithm of a size in metres (0.14 to 20 m), so that an untrained network gives finite boxes."""


def decode(maps: HeadMaps, config: DetectorConfig) -> list[Detections]:
    """Return the detections of every frame of a batch, best first."""
    heat = maps.heat.detach().sigmoid()
    if maps.seen is not None:
        heat = heat * maps.seen[:, None]
    peaks = heat * (nn.functional.max_pool2d(heat, 3, 1, 1) == heat)
    return [_frame(p, b, config) for p, b in zip(peaks, maps.boxes.detach(), strict=True)]


def _frame(peaks: torch.Tensor, boxes: torch.Tensor, config: DetectorConfig) -> Detections:
    classes, rows, columns = peaks.shape
    scores, where = peaks.flatten().topk(min(MOST_PEAKS, peaks.numel()))
    good = scores > FEWEST_SCORE
    scores, where = scores[good], where[good]
    cells = where % (rows * columns)
    found = boxed(boxes.flatten(1)[:, cells].T.double().numpy(), cells.numpy(), config)
    labels, ranks = (where // (rows * columns)).numpy(), scores.double().numpy()
    kept = [
        of[nms_bev(found[of], ranks[of], MOST_OVERLAP)]
        for of in (np.flatnonzero(labels == label) for label in range(classes))
        if len(of)
    ]
    order = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    order = order[np.argsort(-ranks[order], kind="stable")]
    return Detections(found[order], ranks[order], labels[order])


def boxed(said: Array, cells: Array, config: DetectorConfig) -> Array:
    """Return boxes float64 [n, 7] of what a head says [n, BOX] at flat cells [n]; the inverse of ``targets_of``."""
    columns = config.grid.cells(config.stride)[1]
    size = config.grid.cell_m(config.stride)
    boxes = np.empty((len(said), 7))
    boxes[:, 0] = config.grid.low[0] + (cells % columns + 0.5 + said[:, 0]) * size
    boxes[:, 1] = config.grid.low[1] + (cells // columns + 0.5 + said[:, 1]) * size
    boxes[:, 2] = said[:, 2] + HEIGHT_ORIGIN_M
    boxes[:, 3:6] = np.exp(said[:, 3:6].clip(*LOG_SIZE))
    axis = np.arctan2(said[:, 6], said[:, 7]) / 2
    turned = (np.cos(axis - AXIS_RAD) > 0) != (said[:, 8] > 0)
    heading = axis + np.pi * turned
    boxes[:, 6] = (heading + np.pi) % (2 * np.pi) - np.pi
    return boxes
