"""The section "iou" of docs/lidar.md: average precision of detectors against the overlap asked for (``make lidar-iou``)."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from effbench.api import Context
from effbench.lidar.ap.over_iou import OVERLAPS, over_iou
from effbench.lidar.frames import CLASSES, Detections, Frame
from effbench.section import replace_section
from effbench.tasks.lidar_detection.scoring import as_judged
from effbench.tasks.lidar_detection.task import LidarDetection

Pairs = Sequence[tuple[Frame, Detections]]


def detected(system: str, frames: int | None) -> Pairs:
    """Return the evaluated frames of generated scenes, as the task judges them, with what a detector finds in them."""
    task = LidarDetection(LidarDetection.Params(system=system, frames=frames))
    task.check()
    loaded = task.load(Context())
    whole = [task.source.frame(sample.data["frame"]) for sample in task.samples("evaluation")]
    return [(as_judged(frame), loaded.detect([loaded.shown(frame)])[0]) for frame in whole]


def table(by_system: dict[str, Pairs]) -> Iterator[str]:
    """Yield a table: a row per detector and class, a column per overlap; R40 and, in brackets, the plain area."""
    yield "| detector | class | " + " | ".join(f"IoU {limit:g}" for limit in OVERLAPS) + " |"
    yield "|---|---|" + "--:|" * len(OVERLAPS)
    for system, pairs in by_system.items():
        for name in CLASSES:
            reached = over_iou(pairs, name)
            values = " | ".join(f"{r40:.1f} ({area:.1f})" for r40, area in zip(reached.r40, reached.area, strict=True))
            yield f"| {system.rpartition('/')[2]} | {name} | {values} |"
    frames = len(next(iter(by_system.values())))
    yield ""
    yield f"3D average precision on {frames} generated frames, moderate, R40 and in brackets the plain area under the curve."


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("systems", nargs="+", help="zoo:lidar-detectors/NAME, or .safetensors files")
    parser.add_argument("--frames", type=int, help="evaluated frames; all by default")
    parser.add_argument("--page", type=Path, help="a page with the section iou; printed where none is given")
    given = parser.parse_args()
    text = "\n".join(table({system: detected(system, given.frames) for system in given.systems}))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "iou", text)


if __name__ == "__main__":
    main()
