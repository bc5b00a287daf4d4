"""From a head's maps to boxes: peaks of the heat map, their boxes, suppression of what overlaps."""

from __future__ import annotations

import numpy as np
import torch

from effbench.arrays import Array
from effbench.compiled import njit
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
    logits = maps.heat.detach().numpy()
    seen = np.ones((len(logits), 1, 1), np.bool_) if maps.seen is None else maps.seen.numpy()
    frames = zip(logits, np.broadcast_to(seen, (len(logits), *logits.shape[2:])), maps.boxes.detach(), strict=True)
    return [_frame(*peaks(heat, asked, FEWEST_SCORE), boxes, config) for heat, asked, boxes in frames]


@njit(cache=True)
def peaks(heat: Array, seen: Array, fewest: float) -> tuple[Array, Array]:  # pragma: no cover - compiled
    """Return (scores float32 [n], flat places int64 [n]) of cells that score no less than their eight neighbours.

    ``heat`` [classes, H, W] are logits; only cells of ``seen`` [H, W] count, and only scores above ``fewest``.
    """
    classes, rows, columns = heat.shape
    least = np.log(fewest / (1 - fewest)) - 1e-3  # what rounding could lift above the score
    scores, places = [], []
    for c in range(classes):
        for y in range(rows):
            for x in range(columns):
                if heat[c, y, x] < least or not seen[y, x]:
                    continue
                own, highest = score(heat[c, y, x]), True
                for v in range(max(0, y - 1), min(rows, y + 2)):
                    for u in range(max(0, x - 1), min(columns, x + 2)):
                        if seen[v, u] and heat[c, v, u] > heat[c, y, x] and score(heat[c, v, u]) > own:
                            highest = False
                if highest and own > fewest:
                    scores.append(own)
                    places.append((c * rows + y) * columns + x)
    return np.array(scores, np.float32), np.array(places, np.int64)


@njit(cache=True)
def score(logit: float) -> np.float32:  # pragma: no cover - compiled
    """Return the sigmoid of a logit, rounded to float32."""
    return np.float32(1 / (1 + np.exp(-np.float64(logit))))


def _frame(scores: Array, where: Array, boxes: torch.Tensor, config: DetectorConfig) -> Detections:
    _, rows, columns = boxes.shape
    best = np.argsort(-scores, kind="stable")[:MOST_PEAKS]
    ranks, where = scores[best].astype(np.float64), where[best]
    cells = where % (rows * columns)
    found = boxed(boxes.flatten(1)[:, torch.from_numpy(cells)].T.double().numpy(), cells, config)
    labels = where // (rows * columns)
    kept = [
        of[nms_bev(found[of], ranks[of], MOST_OVERLAP)]
        for of in (np.flatnonzero(labels == label) for label in range(len(config.classes)))
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
