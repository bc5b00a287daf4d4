"""The sections "ada3d" and "ada3d-points" of docs/lidar.md: Ada3D beside the unfiltered detector tuned equally long.

``make lidar-ada3d``. Average precision is of the evaluation split; what single insertion points lose is of validation frames,
on which shares were chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from effbench.lidar.ap.curves import ApCurves
from effbench.lidar.ap.matching import count_frame
from effbench.lidar.ap.rules import ApRule
from effbench.lidar.cells import DROPPED, EMPTY, KEPT, CellStates
from effbench.lidar.detector.accounting import Account, account
from effbench.lidar.detector.losses import detection_losses
from effbench.lidar.detector.model import LidarDetector, load_detector
from effbench.lidar.detector.targets import objects_of, targets_of
from effbench.lidar.detector.voxelise import voxelise
from effbench.lidar.frames import Frame
from effbench.lidar.scene.splits import split_frames
from effbench.section import replace_section
from effbench_baselines.ada3d.method import Ada3d
from effbench_baselines.ada3d.preparing import WEIGHTS, install
from effbench_baselines.ada3d.tuned import CONTROL, shipped_name
from effbench_baselines.ada3d.variants import SHIPPED_FOR

RULES = {
    "Car, IoU 0.7": ApRule("Car", "3d", 0.7),
    "Car, IoU 0.5": ApRule("Car", "3d", 0.5),
    "Pedestrian, IoU 0.5": ApRule("Pedestrian", "3d", 0.5),
    "Cyclist, IoU 0.5": ApRule("Cyclist", "3d", 0.5),
}
"""Columns: moderate, R40."""
MEAN = ("Car, IoU 0.7", "Pedestrian, IoU 0.5", "Cyclist, IoU 0.5")
"""Of which the first column is the mean: the task's ``map_3d``, KITTI's limits."""
NAMES = ("mean of the three", *RULES)
COUNTED = 20
"""Frames that operations and densities are counted on; their means vary by a percent."""


class Reached(NamedTuple):
    """One training: its matched frames and what a frame costs it."""

    curves: ApCurves
    costs: Account
    found: np.ndarray


def shipped(variant: str, seed: int, plain: bool = False) -> LidarDetector:
    """Return the shipped detector of a variant and a training seed with its filter, or the control's without one.

    ``plain``: the same weights, density guidance switched off.
    """
    detector = zoo_detector()
    if variant != CONTROL:
        install(detector, Ada3d.Params(variant=variant, density_guidance=not plain))
    _load(detector, WEIGHTS / f"{shipped_name(variant, seed)}.safetensors")
    return detector


def shipped_seeds() -> list[int]:
    """Return the training seeds of which both B and the control ship."""
    return [
        seed
        for seed in range(10)
        if all((WEIGHTS / f"{shipped_name(name, seed)}.safetensors").exists() for name in ("B", CONTROL))
    ]


def zoo_detector() -> LidarDetector:
    """Return the detector that all were tuned from."""
    from effbench.zoo import lidar_detectors

    name = SHIPPED_FOR.rpartition("/")[2]
    return load_detector(Path(lidar_detectors.__file__).parent / "weights" / f"{name}.safetensors").executed("sparse")


def _load(detector: LidarDetector, path: Path) -> None:
    from safetensors.torch import load_file

    detector.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in load_file(path).items()})
    detector.eval().executed("sparse")


def reached(detector: LidarDetector, frames: Sequence[Frame], dense: bool = False) -> Reached:
    """Return what a detector finds and costs; BEV counted over the whole map where ``dense``."""
    curves = ApCurves([count_frame(list(RULES.values()), frame, detector.detect([frame])[0]) for frame in frames])
    detector.executed("dense" if dense else "sparse")
    costs = account(detector, frames[:COUNTED])
    return Reached(curves, costs, _with_mean(curves.values(np.ones(len(frames))).r40))


def _with_mean(precision: np.ndarray) -> np.ndarray:
    """Return [1 + rules]: the mean of the classes, then what each rule gives."""
    return np.array([np.mean([value for name, value in zip(RULES, precision) if name in MEAN]), *precision])


def differences(ours: Sequence[Reached], control: Sequence[Reached], frames: int, resamples: int) -> np.ndarray:
    """Return [resamples, 1 + rules]: ours minus the control's on the same drawn frames, mean over the same drawn seeds."""
    rng = np.random.default_rng(0)
    drawn = np.empty((resamples, len(NAMES)))
    for i in range(resamples):
        weights = np.bincount(rng.integers(frames, size=frames), minlength=frames).astype(float)
        seeds = rng.integers(len(ours), size=len(ours))
        gaps = {
            s: _with_mean(ours[s].curves.values(weights).r40 - control[s].curves.values(weights).r40)
            for s in set(seeds.tolist())
        }
        drawn[i] = np.mean([gaps[s] for s in seeds.tolist()], 0)
    return drawn


def precision_table(frames: Sequence[Frame], seeds: Sequence[int], resamples: int) -> Iterator[str]:
    """Yield the table: a row per detector, AP by class, what a frame costs and how full it is."""
    rows = [(CONTROL, False), ("B", False), ("B", True)]
    yield "| | " + " | ".join(NAMES) + " | voxels | BEV density | 3D | BEV | head | predictor | all | below dense |"
    yield "|---|" + "--:|" * (len(NAMES) + 8)
    dense = reached(zoo_detector(), frames, dense=True)
    full = dense.costs.mean_macs("backbone3d", "bev", "head")
    yield _row("untuned, dense BEV", [dense], dense, full, [f"{v:.1f}" for v in dense.found])
    found = {row: [reached(shipped(row[0], seed, row[1]), frames) for seed in seeds] for row in rows}
    control = found[rows[0]]
    for variant, plain in rows:
        own = found[variant, plain]
        cells = [f"{np.mean([one.found[i] for one in own]):.1f}" for i in range(len(NAMES))]
        if variant != CONTROL:
            drawn = differences(own, control, len(frames), resamples)
            gaps = np.mean([np.subtract(a.found, b.found) for a, b in zip(own, control, strict=True)], 0)
            low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
            cells = [f"{c} ({g:+.1f} [{a:+.1f}, {b:+.1f}])" for c, g, a, b in zip(cells, gaps, low, high, strict=True)]
        name = "tuned without a filter" if variant == CONTROL else f"Ada3D-{variant}" + ", density guidance off" * plain
        yield _row(name, own, dense, full, cells)
    yield ""
    yield (
        f"{len(frames)} frames of the evaluation split, {len(seeds)} training seed{'s' * (len(seeds) > 1)}, all tuned "
        f"equally long from {SHIPPED_FOR} by one recipe; AP moderate, R40, 3D; in brackets the difference to the "
        f"detector tuned without a filter and its 95 % interval, paired, over {resamples} resamples of frames and seeds. "
        "Voxels: what the last 3D convolution gives, of what it gives without a filter. BEV density: share of the "
        "cells that are not zero, mean over the outputs of the six BEV convolutions. "
        "Operations in millions of multiply-accumulates a frame."
    )


def _row(name: str, own: Sequence[Reached], dense: Reached, full: float, cells: Sequence[str]) -> str:
    parts = [
        np.mean([one.costs.mean_macs(part) for one in own]) / 1e6 for part in ("backbone3d", "bev", "head", "filter")
    ]
    filled = [one.costs.mean_filled() for one in own]
    voxels = np.mean([f["backbone3d.conv_out"] for f in filled]) / dense.costs.mean_filled()["backbone3d.conv_out"]
    density = np.mean([value for f in filled for layer, value in f.items() if layer.startswith("bev")])
    told = " | ".join(f"{part:.0f}" for part in parts)
    times = full / 1e6 / sum(parts)
    return f"| {name} | {' | '.join(cells)} | {voxels:.0%} | {density:.0%} | {told} | {sum(parts):.0f} | {times:.2f}x |"


@torch.no_grad()
def losses(detector: LidarDetector, frames: Sequence[Frame]) -> tuple[float, float, float]:
    """Return the mean heat map loss, box loss, and the share of occupied cells in boxes lost where a filter drops."""
    heat, box, lost, inside, judged = 0.0, 0.0, 0, 0, 0
    for frame in frames:
        objects = objects_of(frame, detector.config.classes)
        if objects.ignored.all():
            continue
        maps = detector(detector.batch([voxelise(frame.points, detector.config.grid)]), [frame])
        own = detection_losses(maps, [targets_of(objects, detector.config)])
        heat, box, judged = heat + float(own.heat), box + float(own.box), judged + 1
        for dropped in getattr(detector.filter, "dropped", ()):
            states = np.where(dropped.kept[0].numpy(), KEPT, np.where(dropped.valid[0].numpy(), DROPPED, EMPTY))
            size = detector.config.grid.cell_m(detector.config.stride)
            cells = CellStates(states.astype(np.uint8), detector.config.grid.low[:2], (size, size))
            here = states[cells.inside(frame.boxes)]
            lost, inside = lost + int((here == DROPPED).sum()), inside + int((here != EMPTY).sum())
    return heat / judged, box / judged, lost / max(1, inside)


def points_table(frames: Sequence[Frame], seed: int) -> Iterator[str]:
    """Yield the table: what the untuned detector loses at each insertion point of B alone and at all, then tuned."""
    yield "| dropped | heat map loss | box loss | cells lost inside boxes |"
    yield "|---|--:|--:|--:|"
    detector = shipped("B", seed)
    detector.load_state_dict(zoo_detector().state_dict(), strict=False)  # the tuned filter on the untuned detector
    voxels, cells = dict(detector.filter.voxel_keep), dict(detector.filter.cell_keep)
    at: list[tuple[str, dict[str, float], dict[int, float]]] = [("nothing", {}, {})]
    at += [(f"{1 - keep:.0%} of the cells after {point}", {point: keep}, {}) for point, keep in voxels.items()]
    at += [(f"{1 - keep:.0%} before BEV convolution {layer}", {}, {layer: keep}) for layer, keep in cells.items()]
    for name, some, others in [*at, ("all of these", voxels, cells)]:
        detector.filter.voxel_keep, detector.filter.cell_keep = some, others
        yield _loss_row(f"{name}; untuned", losses(detector, frames))
    detector.executed("dense").train()
    yield _loss_row("all of these, normalised by each frame's own statistics; untuned", losses(detector, frames))
    yield _loss_row("all of these; tuned", losses(shipped("B", seed), frames))
    yield _loss_row("nothing; tuned equally long", losses(shipped(CONTROL, seed), frames))
    yield ""
    yield (
        f"{len(frames)} validation frames; mean Gaussian focal loss of the heat maps and twice the L1 of the boxes, what "
        "training minimises. Layers count from 0."
    )


def _loss_row(name: str, found: tuple[float, float, float]) -> str:
    heat, box, lost = found
    return f"| {name} | {heat:.3f} | {box:.3f} | {lost:.1%} |"


def main() -> None:
    """Write both sections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200, help="of the evaluation split")
    parser.add_argument("--validation", type=int, default=100, help="frames of the second table")
    parser.add_argument("--seeds", type=int, nargs="+", help="training seeds; those that ship by default")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--page", type=Path, help="a page with both sections; printed where none is given")
    given = parser.parse_args()
    torch.set_num_threads(1)
    seeds = given.seeds or shipped_seeds()
    texts = {
        "ada3d": precision_table(list(split_frames("evaluation", count=given.frames)), seeds, given.resamples),
        "ada3d-points": points_table(list(split_frames("validation", count=given.validation)), seeds[0]),
    }
    for section, lines in texts.items():
        text = "\n".join(lines)
        if given.page is None:
            print(text)
        else:
            replace_section(given.page, section, text)


if __name__ == "__main__":
    main()
