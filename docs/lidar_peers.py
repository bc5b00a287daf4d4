"""The section "peers" of docs/lidar.md: LiDAR methods, ablations and controls on the same frames (``make lidar-peers``).

Average precision has an interval of its difference to the dense detector, over the same resamples of frames; operations are
counted, not timed. What the rows are: ``lidar_arms.py``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import torch
from lidar_arms import (
    COUNTED_FRAMES,
    FULLY_SPARSE,
    INT8,
    OCCUPIED,
    REFERENCE,
    TUNED,
    UNGUIDED,
    UPON_SPARSE,
    Arm,
    Measured,
    arms,
    measured,
    millions,
)

from effbench.lidar.detector.accounting import PARTS
from effbench.section import replace_section
from effbench.stats.bootstrap import Interval, centred, interval_of
from effbench.tasks.lidar_detection.task import LidarDetection
from effbench_baselines.ada3d.claims import KITTI

RESAMPLES, LEVEL = 500, 0.95
"""Of the frames: enough for ends that are read to half a point, and a few seconds a row."""


def difference(row: Measured, reference: Measured, frames: int) -> tuple[float, Interval | None]:
    """Return by how much ``map_3d`` differs from the reference's, and the interval over the same resamples of frames."""
    value = row.metrics["map_3d"] - reference.metrics["map_3d"]
    return value, interval_of(centred(row.replicates - reference.replicates, value, False), LEVEL, frames)


def quality(rows: dict[Arm, Measured], frames: int) -> Iterator[str]:
    """Yield the table of average precisions: a row per arm."""
    reference = next(iter(rows.values()))
    control = next((row for arm, row in rows.items() if arm.title == TUNED), None)
    columns = ["mAP", "difference to dense", "to the tuned control", "car", "pedestrian", "cyclist"]
    yield f"| | {' | '.join(columns)} | r_inbox voxels | r_inbox cells | |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    for arm, row in rows.items():
        if not row.metrics:
            continue
        cells = [f"{row.metrics['map_3d']:.1f}", told(row, reference, frames) if row is not reference else ""]
        cells.append(told(row, control, frames) if control and arm.tuned and row is not control else "")
        cells += [shown(row.metrics.get(f"{name}_ap"), "{:.1f}") for name in ("car", "pedestrian", "cyclist")]
        cells += [shown(row.metrics.get(f"r_inbox_{place}"), "{:.1%}") for place in ("voxels", "cells")]
        yield f"| {arm.title} | {' | '.join(cells)} | {arm.note} |"


def told(row: Measured, other: Measured, frames: int) -> str:
    """Return a row's difference to another with its interval, as it is printed."""
    value, interval = difference(row, other, frames)
    return f"{value:+.1f}" + (f" [{interval.low:+.1f}, {interval.high:+.1f}]" if interval else "")


def shown(value: float | None, form: str) -> str:
    """Return a number as it is printed, nothing where there is none."""
    return "" if value is None or math.isnan(value) else form.format(value)


def compute(rows: dict[Arm, Measured]) -> Iterator[str]:
    """Yield the table of operations: a row per arm, in millions of multiply-accumulates a frame."""
    reference = next(iter(rows.values()))
    yield (
        "| | 3D | 2D | head | filter | choosing | maps | 3D and 2D, of dense | all, of dense | voxels kept | cells filled |"
    )
    yield "|---|" + "--:|" * (len(PARTS) + 4)
    for arm, row in rows.items():
        cells = [millions(part, row.macs[part]) if row.macs[part] else "" for part in PARTS]
        cells += [f"{row.backbones / reference.backbones:.0%}", f"{row.everything / reference.everything:.0%}"]
        cells += [kept_of(row, reference), shown(row.filled, "{:.0%}")]
        yield f"| {arm.title} | {' | '.join(cells)} |"


def kept_of(row: Measured, reference: Measured) -> str:
    """Return the voxels left after each block, of the reference's; nothing where there is no 3D backbone."""
    return " / ".join(f"{own / whole:.0%}" for own, whole in zip(row.voxels, reference.voxels))


def beside_the_paper(rows: dict[str, Measured]) -> Iterator[str]:
    """Yield the table of shares of operations beside the project page's of KITTI."""
    reference = rows[REFERENCE]
    ours = {"CenterPoint with SP-BN": OCCUPIED, "Ada3D-B without density guidance": UNGUIDED}
    ours |= {f"Ada3D-{variant}": f"**Ada3D-{variant}**" for variant in "ABC"}
    yield "| | 3D here | 3D, paper | 2D here, by pairs | 2D here, the paper's count | 2D, paper | voxels kept here |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for published in KITTI:
        if published.model not in ours:
            continue
        row = rows[ours[published.model]]
        shares = [row.macs["backbone3d"] / reference.macs["backbone3d"], published.flops_3d]
        shares += [row.macs["bev"] / reference.macs["bev"], row.pixels, published.flops_2d]
        values = " | ".join(f"{share:.2f}" for share in shares)
        yield f"| {published.model} | {values} | {kept_of(row, reference)} |"


def summary(rows: dict[str, Measured]) -> Iterator[str]:
    """Yield what is gained before anything is dropped, then what dropping adds."""
    dense, occupied, sparse, ours = (rows[name] for name in (REFERENCE, OCCUPIED, FULLY_SPARSE, "**Ada3D-B**"))
    saved = dense.backbones - ours.backbones
    yield (
        f"What sparsity alone gains, first. Of the dense detector's 3D and 2D operations the same weights over occupied "
        f"cells need {occupied.backbones / dense.backbones:.0%}, and the detector that is sparse from the start "
        f"{sparse.backbones / dense.backbones:.0%}; Ada3D-B needs {ours.backbones / dense.backbones:.0%}. So "
        f"{(dense.backbones - occupied.backbones) / saved:.0%} of what Ada3D-B saves is saved before anything is dropped, "
        f"and {(dense.backbones - sparse.backbones) / saved:.0%} of it by the fully sparse detector."
    )
    yield ""
    against = {"dense": dense, "occupied cells": occupied, "fully sparse": sparse}
    yield "| times fewer operations of Ada3D-B than | " + " | ".join(against) + " |"
    yield "|---|" + "--:|" * len(against)
    yield "| 3D and 2D | " + " | ".join(f"{row.backbones / ours.backbones:.2f}" for row in against.values()) + " |"
    yield (
        "| all, filter and head too | "
        + " | ".join(f"{r.everything / ours.everything:.2f}" for r in against.values())
        + " |"
    )
    upon = rows.get(UPON_SPARSE)
    if upon is not None:
        yield ""
        yield (
            f"On the fully sparse detector itself Ada3D's filter leaves {sparse.backbones / upon.backbones:.2f} times fewer "
            f"3D and 2D operations, {sparse.everything / upon.everything:.2f} times fewer with filter and head; the paper "
            "has 1.19 (nuScenes, VoxelNeXt)."
        )


def page(rows: dict[Arm, Measured], frames: int) -> str:
    """Return the section."""
    named = {arm.title: row for arm, row in rows.items()}
    resamples = len(named[REFERENCE].replicates)
    parts: list[str] = [*summary(named), "", *quality(rows, frames), ""]
    parts += [
        f"{frames} generated frames of the evaluation split; 3D AP, moderate, R40, IoU 0.7 / 0.5 / 0.5. In brackets the "
        f"{LEVEL:.0%} interval of the difference over the same {resamples} resamples of frames; one training each. r_inbox: "
        "of occupied cells inside true boxes, the share that was dropped. The oracle is shown the labels. A row on tuned "
        f'weights has to be held against "{TUNED}": beside the untuned detector it shows what the further training gave, '
        "too.",
        "",
        *compute(rows),
        "",
        f"Millions of multiply-accumulates a frame, mean of {min(frames, COUNTED_FRAMES)} of those frames: pairs of kernel "
        "maps where a convolution runs over cells, all cells where it runs over the map. Voxels kept: after each block of "
        "the 3D backbone, of the dense detector's. Cells filled: the mean over the BEV convolutions of the share of a "
        "detector's own cells that are not zero after them.",
        *(f"{arm.title}, only counted: {arm.note}." for arm, row in rows.items() if not row.metrics),
        "",
        "Shares of the dense detector's operations beside those of the paper's project page, which are of KITTI. The paper "
        "counts a 2D convolution by the cells that are not zero after it; pairs are what has to be multiplied.",
        "",
        *beside_the_paper(named),
    ]
    return "\n".join(parts)


def main() -> None:
    """Measure every row and write the section."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--frames", type=int, help="evaluated frames; all by default")
    parser.add_argument("--resamples", type=int, default=RESAMPLES)
    parser.add_argument("--page", type=Path, help="a page with the section peers; printed where none is given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[Arm, Measured] = {}
    started = perf_counter()
    for arm in arms():
        rows[arm] = measured(arm, given.frames, given.resamples)
        print(f"{perf_counter() - started:5.0f} s  {arm.title}", flush=True)
        if arm.title == INT8:  # its kernels count themselves nowhere; they compute what they replaced
            whole = next(iter(rows.values()))
            rows[arm] = rows[arm]._replace(
                macs=rows[arm].macs | {"bev": whole.macs["bev"]}, filled=whole.filled, pixels=whole.pixels
            )
    text = page(rows, given.frames or len(LidarDetection().samples("evaluation")))
    if given.page is None:
        print(text)
    else:
        replace_section(given.page, "peers", text)


if __name__ == "__main__":
    main()
