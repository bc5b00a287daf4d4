"""The section "drops" of docs/lidar.md: what is lost where voxels go at random, or outside of boxes alone."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from effbench.api import Context
from effbench.lidar.ap.over_iou import over_iou
from effbench.lidar.frames import CLASSES, Frame
from effbench.lidar.oracle import POLICIES, thin
from effbench.section import replace_section
from effbench.tasks.lidar_detection.system import LidarSystem
from effbench.tasks.lidar_detection.task import LidarDetection

SHARES = (0.3, 0.5, 0.7)
"""Of all voxels, those that go: the paper's."""
OVERLAP = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}
"""KITTI's limits."""


def reached(system: LidarSystem, frames: Sequence[Frame], policy: str, share: float) -> list[float]:
    """Return the plain area of each class after a share of the voxels has gone, judged by the whole frames' labels."""
    voxel = system.detector.config.grid.voxel
    pairs = []
    for frame in frames:
        thinned = thin(frame, share, policy, seed=0, voxel=voxel) if share else frame
        pairs.append((frame, system.detect([system.shown(thinned)])[0]))
    return [over_iou(pairs, name, overlaps=(OVERLAP[name],)).area[0] for name in CLASSES]


def table(system: LidarSystem, frames: Sequence[Frame]) -> Iterator[str]:
    """Yield a table: a row per rule and share, a column per class, with what is lost."""
    yield "| voxels dropped | where | " + " | ".join(CLASSES) + " |"
    yield "|--:|---|" + "--:|" * len(CLASSES)
    whole = reached(system, frames, POLICIES[0], 0.0)
    yield "| 0 % | | " + " | ".join(f"{value:.1f}" for value in whole) + " |"
    for policy in POLICIES:
        for share in SHARES:
            found = reached(system, frames, policy, share)
            values = " | ".join(
                f"{value:.1f} ({value - before:+.1f})" for value, before in zip(found, whole, strict=True)
            )
            yield f"| {share:.0%} | {policy.replace('-', ' ')} | {values} |"
    yield ""
    yield (
        f"{system.name} on {len(frames)} generated frames: plain area under the curve, moderate, IoU 0.7 / 0.5 / 0.5; in "
        "brackets the change. The detector never saw a thinned frame in its training."
    )


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", default="zoo:lidar-detectors/dense")
    parser.add_argument("--frames", type=int, help="evaluated frames; all by default")
    parser.add_argument("--page", type=Path, help="a page with the section drops; printed where none is given")
    given = parser.parse_args()
    task = LidarDetection(LidarDetection.Params(system=given.system, frames=given.frames))
    task.check()
    frames = [task.source.frame(sample.data["frame"]) for sample in task.samples("evaluation")]
    text = "\n".join(table(task.load(Context()), frames))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "drops", text)


if __name__ == "__main__":
    main()
