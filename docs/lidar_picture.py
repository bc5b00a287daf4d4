"""docs/img/lidar-ada3d.png: one frame as the sample viewer shows it, of the dense detector and of Ada3D-B.

``make lidar-picture``. The pictures are the task's own previews; the frame is the first of the evaluation split with two
objects of every class in the area that is judged, so that nobody chose it by what is found in it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from lidar_arms import REFERENCE, Arm, arms, made
from PIL import Image

from effbench.api import Sample
from effbench.arrays import Array
from effbench.lidar.frames import CLASSES
from effbench.tasks.lidar_detection.scoring import is_judged
from effbench.tasks.lidar_detection.task import LidarDetection

ROOT = Path(__file__).parent.parent
SHOWN = (REFERENCE, "**Ada3D-B**")
"""Rows of the section "peers" that are drawn, from left to right; of the second what stays among voxels, then among cells."""
LEAST = 2
"""Objects of every class that the frame has."""
GAP_PX = 6
"""White between pictures."""


def chosen(task: LidarDetection) -> Sample:
    """Return the frame that is drawn."""
    for sample in task.samples("evaluation"):
        frame = task.source.frame(sample.data["frame"])
        judged = Counter(np.array(frame.classes)[is_judged(frame.boxes)].tolist())
        if all(judged[name] >= LEAST for name in CLASSES):
            return sample
    raise SystemExit(f"no evaluated frame has {LEAST} objects of every class")


def pictures(arm: Arm) -> list[Array]:
    """Return what the sample viewer shows of a row's detector on the frame: uint8 [height, width, 3] each, voxels first."""
    task, system = made(arm, None)
    sample = chosen(task)
    shown = task.preview(sample, task.run(system, [sample], 0)[0])
    return [np.asarray(one.pixels) for one in sorted(shown, key=lambda one: "voxels, before" not in one.name)]


def side_by_side(found: Sequence[Array]) -> Array:
    """Return pictures of the same height beside each other."""
    gap = np.full((found[0].shape[0], GAP_PX, 3), 255, np.uint8)
    return np.concatenate([part for one in found for part in (gap, one)][1:], 1)


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "img" / "lidar-ada3d.png")
    given = parser.parse_args()
    torch.set_num_threads(1)
    by_title = {arm.title: arm for arm in arms()}
    found = [picture for title in SHOWN for picture in pictures(by_title[title])]
    Image.fromarray(side_by_side(found)).save(given.out, optimize=True)


if __name__ == "__main__":
    main()
