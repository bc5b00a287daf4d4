"""Puts the generated LiDAR frames beside real ones into docs/lidar.md and draws some of them (``make lidar-data``).

Real frames are KITTI's, from ``--real`` (a folder in KITTI's layout). None of them is shipped or drawn; where they are
absent, their column says so.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from effbench.lidar.camera import corners, kitti_like
from effbench.lidar.census import COARSE_GRID, KITTI_GRID, census
from effbench.lidar.frames import CLASSES, Frame
from effbench.lidar.kitti import KittiFolder
from effbench.lidar.scene.generator import VERSION, VIEW_WIDTH_PX
from effbench.lidar.scene.splits import split_frames
from effbench.section import replace_section

ROOT = Path(__file__).parents[1]
"""The repository."""
REAL = Path(os.environ.get("EFFBENCH_TEST_DATA") or ROOT.parent / "shared" / "data") / "kitti"
"""Where real frames lie beside the project, if anywhere."""
BINS_M = (0, 10, 20, 30, 40, 50, 70)
"""Edges of the ranges over which points per box are shown, metres."""
WITHIN = 0.15
"""A real object is compared with generated ones whose distance differs by less than this share."""
ROWS = (
    ("points in the view", "points", KITTI_GRID, "{:,.0f}"),
    ("voxels of 0.05 x 0.05 x 0.1 m, KITTI's grid", "voxels", KITTI_GRID, "{:,.0f}"),
    ("voxels of 0.2 x 0.2 x 0.25 m, the grid here", "voxels", COARSE_GRID, "{:,.0f}"),
    ("points in labelled boxes, %", "foreground_points", COARSE_GRID, "{:.1f}"),
    ("voxels (0.2 m) in labelled boxes, %", "foreground_voxels", COARSE_GRID, "{:.1f}"),
    *((f"BEV cells occupied at stride {s} of 0.05 m, %", f"bev_{s}", KITTI_GRID, "{:.2f}") for s in (1, 2, 4, 8)),
    *((f"BEV cells occupied at stride {s} of 0.2 m, %", f"bev_{s}", COARSE_GRID, "{:.1f}") for s in (1, 2, 4)),
    *(
        (f"occupied of 27 neighbours at stride {s} of 0.2 m", f"neighbours_{s}", COARSE_GRID, "{:.1f}")
        for s in (1, 2, 4)
    ),
)
"""Rows of the table: what, its name in a census, on which grid, how it is written."""


def real_frames(folder: Path) -> list[Frame]:
    """Return all real frames of a folder, full sweeps cut to the picture; none where it is absent."""
    readers = [KittiFolder(folder, points) for points in ("velodyne", "velodyne_reduced") if (folder / points).is_dir()]
    return [frame for reader in readers for frame in reader.frames()]


def in_kittis_picture(frame: Frame) -> Frame:
    """Return a generated frame cut to the 81 degrees that KITTI's camera sees."""
    return frame.with_points(frame.points[kitti_like().sees(frame.points[:, :3].astype(np.float64))])


def table(columns: dict[str, Sequence[Frame]]) -> str:
    """Return the comparison as markdown: mean, and in brackets 10th to 90th percentile, or least to most of a few."""
    heads = [f"{name}, {len(frames)} frames" if frames else name for name, frames in columns.items()]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(columns)}"]
    counted = {
        (name, grid): [census(frame, grid) for frame in frames]
        for name, frames in columns.items()
        for grid in (KITTI_GRID, COARSE_GRID)
    }
    for title, key, grid, form in ROWS:
        cells = [summary([row[key] for row in counted[name, grid]], form) for name in columns]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    for title, quantile in (("median intensity", 0.5), ("lowest tenth of intensities", 0.1), ("highest tenth", 0.9)):
        cells = [
            summary([float(np.quantile(frame.points[:, 3], quantile)) for frame in frames], "{:.2f}")
            for frames in columns.values()
        ]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def summary(values: Sequence[float], form: str) -> str:
    """Return mean and spread; "not there" without values."""
    if not values:
        return "not there"
    low, high = np.quantile(values, (0.1, 0.9)) if len(values) >= 10 else (min(values), max(values))
    return f"{form.format(np.mean(values))} ({form.format(low)}-{form.format(high)})"


def points_by_range(frames: Sequence[Frame]) -> str:
    """Return median points per fully visible box and how many boxes, by class and range, as markdown."""
    heads = [f"{low}-{high} m" for low, high in itertools.pairwise(BINS_M)]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for kind in CLASSES:
        away, points = objects(frames, kind)
        cells = []
        for low, high in itertools.pairwise(BINS_M):
            there = points[(away >= low) & (away < high)]
            cells.append(f"{np.median(there):.0f} ({len(there)})" if len(there) else "- (0)")
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def objects(frames: Sequence[Frame], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return distance and points of the fully visible boxes of a class."""
    found = [
        (float(np.hypot(*box[:2])), int(points))
        for frame in frames
        for box, name, points, hidden, cut in zip(
            frame.boxes, frame.classes, frame.points_in_box, frame.occlusion, frame.truncation
        )
        if name == kind and hidden == 0 and cut <= 0.15
    ]
    pairs = np.array(found, np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def real_objects(real: Sequence[Frame], made: Sequence[Frame]) -> str:
    """Return every real object beside generated ones of its class and distance, as markdown."""
    if not real:
        return "The real frames were not there when this page was made."
    lines = [
        "| real object | its points | generated at that distance: median (10th-90th percentile), how many |",
        "|---|---|---|",
    ]
    for frame in real:
        for box, kind, points, hidden in zip(frame.boxes, frame.classes, frame.points_in_box, frame.occlusion):
            if kind not in CLASSES:
                continue
            away = float(np.hypot(*box[:2]))
            distance, count = objects(made, kind)
            near = count[np.abs(distance / away - 1) < WITHIN]
            beside = (
                f"{np.median(near):.0f} ({np.quantile(near, 0.1):.0f}-{np.quantile(near, 0.9):.0f}), {len(near)}"
                if len(near)
                else "none"
            )
            state = "" if hidden == 0 else f", occlusion {hidden}"
            lines.append(f"| {kind} of frame {frame.name} at {away:.1f} m{state} | {points} | {beside} |")
    return "\n".join(lines)


def draw(frames: Sequence[Frame], out: Path) -> None:
    """Write a picture of frames from above, coloured by height, boxes by class."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(2, len(frames) // 2, figsize=(4 * (len(frames) // 2), 8), layout="constrained")
    colours = {"Car": "#e6b800", "Pedestrian": "#ff5050", "Cyclist": "#40e060"}
    for axes, frame in zip(panels.ravel(), frames):
        axes.set_facecolor("black")
        order = np.argsort(frame.points[:, 2])
        points = frame.points[order]
        axes.scatter(-points[:, 1], points[:, 0], c=points[:, 2], s=0.15, cmap="turbo", vmin=-2.2, vmax=1.5)
        for outline, kind in zip(corners(frame.boxes), frame.classes):
            ring = outline[[0, 1, 2, 3, 0]]
            axes.plot(-ring[:, 1], ring[:, 0], color=colours.get(kind, "white"), lw=0.9)
        axes.set(xlim=(-25.6, 25.6), ylim=(0, 51.2), aspect="equal", xticks=[], yticks=[])
        axes.set_title(f"{frame.scene}: {len(frame.points):,} points", fontsize=9, loc="left")
    figure.savefig(out, dpi=80)
    plt.close(figure)


def main() -> None:
    """Measure, write the section, draw."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--real", type=Path, default=REAL, help="folder of real frames in KITTI's layout")
    parser.add_argument("--frames", type=int, default=200, help="generated frames of the evaluation split")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "lidar.md")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "img" / "lidar-scenes.png")
    given = parser.parse_args()
    wide = list(split_frames("evaluation", "64-beam", given.frames))
    few = list(split_frames("evaluation", "32-beam", given.frames))
    narrow = [in_kittis_picture(frame) for frame in wide]
    real = real_frames(given.real)
    columns: dict[str, Sequence[Frame]] = {
        "64-beam as KITTI's camera sees it (81 degrees)": narrow,
        "real KITTI": real,
        "64-beam (90 degrees)": wide,
        "32-beam (90 degrees)": few,
    }
    text = "\n".join(
        [
            f"Generator version {VERSION}, evaluation split; mean (10th-90th percentile; for the real frames least-most).",
            "",
            table(columns),
            "",
            f"Median points in a fully visible box, 64-beam, and in brackets how many boxes (view of {VIEW_WIDTH_PX} px):",
            "",
            points_by_range(wide),
            "",
            "Real objects beside generated ones (fully visible ones of the class within 15 % of the distance):",
            "",
            real_objects(real, wide),
        ]
    )
    replace_section(given.page, "lidar-data", text)
    draw(wide[:6], given.picture)


if __name__ == "__main__":
    main()
