"""The section "transfer" of docs/lidar.md: detectors of generated frames on real ones of KITTI (``make lidar-transfer``).

A check that generated frames teach something real, and no benchmark: a handful of frames. Nothing of them is drawn or kept,
and none of these numbers goes into another table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lidar_arms import FULLY_SPARSE, REFERENCE, arms, made
from lidar_data import REAL, real_frames

from effbench.arrays import Array
from effbench.lidar.ap.rules import LOOSE_IOU
from effbench.lidar.boxes import iou_3d
from effbench.lidar.frames import CLASSES, Detections, Frame
from effbench.section import replace_section
from effbench.tasks.lidar_detection.metrics import WELL_SEEN_POINTS
from effbench.tasks.lidar_detection.scoring import is_judged

SHOWN = (REFERENCE, FULLY_SPARSE, "**Ada3D-B**")
"""Rows of the section "peers" that are tried."""
SURE = 0.3
"""Score from which on a detection is counted among those that meet no label."""


class Object(NamedTuple):
    """A labelled object: frame, class, distance in metres, points, KITTI's state of occlusion."""

    frame: str
    kind: str
    away_m: float
    points: int
    occlusion: int


class Tried(NamedTuple):
    """What one detector makes of real frames.

    ``best``: per object the overlap and score of the detection of its class that overlaps it most; ``strays``: sure
    detections that no label meets, over all frames.
    """

    best: list[tuple[float, float]]
    strays: int


def objects_of(frame: Frame) -> list[int]:
    """Return which boxes are asked for: of the three classes, centre inside of what detectors cover, with any points."""
    inside = is_judged(frame.boxes)
    return [i for i, kind in enumerate(frame.classes) if kind in CLASSES and inside[i] and frame.points_in_box[i] > 0]


def tried(pairs: Sequence[tuple[Frame, Detections]], names: Sequence[str]) -> Tried:
    """Return what the detections of frames make of their labels."""
    best, strays = [], 0
    for frame, found in pairs:
        shared: Array = iou_3d(found.boxes, frame.boxes)  # [detections, boxes]
        labels = np.array([names[label] for label in found.labels], dtype="U32")
        for i in objects_of(frame):
            own = np.where(labels == frame.classes[i], shared[:, i], -1.0)
            k = int(own.argmax()) if len(own) else -1
            best.append((float(own[k]), float(found.scores[k])) if k >= 0 and own[k] > 0 else (0.0, 0.0))
        met = (shared > 0).any(1) if len(frame.boxes) else np.zeros(len(labels), bool)
        strays += int(((found.scores >= SURE) & ~met).sum())
    return Tried(best, strays)


def listed(frames: Sequence[Frame]) -> list[Object]:
    """Return the objects that are asked for, in the order in which ``tried`` has them."""
    return [
        Object(
            frame.name,
            frame.classes[i],
            float(np.hypot(*frame.boxes[i, :2])),
            int(frame.points_in_box[i]),
            int(frame.occlusion[i]),
        )
        for frame in frames
        for i in objects_of(frame)
    ]


def recalls(objects: Sequence[Object], by_detector: dict[str, Tried]) -> Iterator[str]:
    """Yield the table of recalls: a row per class, a column per detector."""
    yield "| found of those with 50 points or more | " + " | ".join(by_detector) + " |"
    yield "|---|" + "--:|" * len(by_detector)
    for kind in (*CLASSES, "all"):
        asked = [i for i, one in enumerate(objects) if one.points >= WELL_SEEN_POINTS and kind in (one.kind, "all")]
        cells = []
        for done in by_detector.values():
            hits = sum(done.best[i][0] > LOOSE_IOU[objects[i].kind] for i in asked)
            cells.append(f"{hits} of {len(asked)}")
        yield f"| {kind} | {' | '.join(cells)} |"
    yield (
        f"| sure detections (score {SURE} or more) that meet no label | "
        + " | ".join(str(done.strays) for done in by_detector.values())
        + " |"
    )


def one_by_one(objects: Sequence[Object], by_detector: dict[str, Tried]) -> Iterator[str]:
    """Yield the table of all objects: overlap of the best detection of the class and, in brackets, its score."""
    yield "| object | points | " + " | ".join(by_detector) + " |"
    yield "|---|--:|" + "--:|" * len(by_detector)
    for i, one in enumerate(objects):
        hidden = f", occlusion {one.occlusion}" if one.occlusion else ""
        cells = [
            f"{overlap:.2f} ({score:.2f})" if overlap else "-"
            for overlap, score in (done.best[i] for done in by_detector.values())
        ]
        yield f"| {one.kind} of {one.frame} at {one.away_m:.1f} m{hidden} | {one.points} | {' | '.join(cells)} |"


def section(frames: Sequence[Frame]) -> str:
    """Return the section."""
    by_detector = {}
    for arm in arms():
        if arm.title in SHOWN:
            _, system = made(arm, 1)
            pairs = [(frame, system.detect([system.shown(frame)])[0]) for frame in frames]
            by_detector[arm.title] = tried(pairs, system.classes)
    objects = listed(frames)
    loose = ", ".join(f"{LOOSE_IOU[kind]:g} for a {kind.lower()}" for kind in CLASSES)
    return "\n".join(
        [
            f"{len(frames)} real frames of KITTI ({', '.join(frame.name for frame in frames)}), detectors that never saw "
            f"any. An object counts as found where a detection of its class overlaps it in space by over {loose}, whatever "
            "its score. Objects outside of the 51.2 m that detectors cover are left out. A detection that meets no label may "
            "be of an object that nobody labelled.",
            "",
            *recalls(objects, by_detector),
            "",
            "One by one, all that have points: overlap of the best detection of the class, in brackets its score.",
            "",
            *one_by_one(objects, by_detector),
        ]
    )


def main() -> None:
    """Write the section, or say that there are no real frames."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--real", type=Path, default=REAL, help="folder of real frames in KITTI's layout")
    parser.add_argument("--page", type=Path, help="a page with the section transfer; printed where none is given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    frames = real_frames(given.real)
    if not frames:
        print(f"{given.real}: no real frames there, so the transfer check is left as it is")
        return
    text = section(frames)
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "transfer", text)


if __name__ == "__main__":
    main()
