"""The preparation of ``ada3d``: shipped weights or both trainings, then what the filter does to the calibration frames."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from effbench.api import Artifact, Context, Unsupported, work_folder
from effbench.lidar.detector.accounting import account
from effbench.lidar.detector.backbones import DenseBev
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.frames import Detections, Frame
from effbench.yamlplain import plain_yaml
from effbench_baselines.ada3d.importance import Ada3dFilter, channels_at
from effbench_baselines.ada3d.selecting import CELL_GUIDANCE, VOXEL_GUIDANCE, Guidance
from effbench_baselines.ada3d.training import FINE_TUNED_LR, PREDICTOR_LR, Stage, fine_tune, train_predictor
from effbench_baselines.ada3d.variants import VOXEL_POINTS, checked_for_shipped, minimised_by, ratios
from effbench_baselines.progress import phase

WEIGHTS = Path(__file__).parent / "weights"
"""Detector and predictor as tuned for each variant, made by ``python -m effbench_baselines.ada3d.tuned``."""
WEAK_GUIDANCE = Guidance(0.05, VOXEL_GUIDANCE.window), Guidance(0.05, CELL_GUIDANCE.window)
"""Over voxels and over cells, of the variants but those in ``PAPER_GUIDED``. With B's predictors of two seeds on 60 of our
validation frames, before the tuning, these leave a heat map loss of 0.456 and 0.477, none at all 0.471 and 0.553, the paper's
exponents, 0.2 and 0.15, which are KITTI's with its predictor, 0.467 and 0.572, with 8 and 5 % more operations."""
PAPER_GUIDANCE = VOXEL_GUIDANCE, CELL_GUIDANCE
"""Of the variants in ``PAPER_GUIDED``."""
PAPER_GUIDED = ("released", "voxels")
"""Variants with the paper's exponents."""
NO_GUIDANCE = Guidance(0, 1), Guidance(0, 1)
"""Importance alone decides."""
COUNTED = {
    "backbone3d": "macs_3d",
    "bev": "macs_2d",
    "head": "macs_head",
    "filter": "macs_predictor",
    "choice": "macs_choice",
    "maps": "macs_maps",
}
"""Part of a detector -> fact: effective multiply-accumulates per frame, millions; two operations of the last two make one."""
LOOKED_AT = 12
"""Calibration frames that facts are about: their means move by a few percent from one dozen to the next."""


def prepared(system: Any, params: Any, ctx: Context) -> Artifact:
    """Return the artifact: the state of detector and filter, and what the filter does to some calibration frames."""
    detector = system.detector
    if not all(hasattr(detector.backbone3d, point) for point in VOXEL_POINTS):
        raise Unsupported("ada3d: it filters voxels, and this detector has no 3D backbone")
    cells = ratios(params).cells
    if cells and not isinstance(detector.bev, DenseBev):
        raise Unsupported("ada3d: this detector has no BEV map whose cells could be dropped; say variant: voxels")
    if cells and max(cells) >= len(detector.bev.blocks):
        raise Unsupported(
            f"ada3d: variant {params.variant} drops cells before BEV convolution {max(cells)}, and this detector has "
            f"{len(detector.bev.blocks)} of them, counted from 0"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ctx.seed)  # the predictor's first weights are drawn
        install(detector, params)
    if params.training == "full":
        trained(detector, params, ctx)
    else:
        checked_for_shipped(system, params.variant)
        load_shipped(detector, file_of(params), whole=params.training == "shipped")
    state = {name: value.detach().clone().numpy() for name, value in detector.state_dict().items()}
    return Artifact(state, {"facts": facts_on(detector, calibration_frames(system, ctx))})


def applied(system: Any, params: Any, artifact: Artifact) -> Any:
    """Return the system with filter and weights; how BEV runs is the parameters'."""
    detector = system.detector
    install(detector, params)
    detector.load_state_dict({name: torch.as_tensor(np.asarray(value)) for name, value in artifact.tensors.items()})
    detector.eval().executed(params.execution)
    detector.filter.told = {name: tuple(value) for name, value in artifact.config["facts"].items()}
    return system


def install(detector: LidarDetector, params: Any) -> None:
    """Put an untrained filter of the parameters into a detector."""
    voxel_keep, cell_keep = ratios(params)
    drop = Ada3dFilter(
        channels_at(detector, tuple(voxel_keep), tuple(cell_keep)),
        len(detector.config.classes),
        voxel_keep,
        cell_keep,
        *guidances(params),
    )
    drop.uniform = not params.predictor
    detector.filter = drop
    detector.eval()


def guidances(params: Any) -> tuple[Guidance, Guidance]:
    """Return how strongly density guides the choice among voxels and among BEV cells."""
    if not params.density_guidance:
        return NO_GUIDANCE
    return PAPER_GUIDANCE if params.variant in PAPER_GUIDED else WEAK_GUIDANCE


def trained(detector: LidarDetector, params: Any, ctx: Context) -> None:
    """Run stages 2 and 3 on frames of the training split, resumed where a killed preparation left checkpoints."""
    from effbench.lidar.scene.splits import split_frames

    frames = list(split_frames("train", count=params.frames))
    folder = work_folder()
    minimised = minimised_by(params.variant, params.predictor_loss)
    first = Stage("predictor", params.predictor_steps, PREDICTOR_LR[minimised], ctx.seed, folder)
    second = Stage("tuning", params.tuning_steps, FINE_TUNED_LR, ctx.seed, folder)
    share = params.predictor_steps / (params.predictor_steps + params.tuning_steps)
    train_predictor(detector, frames, first, phase(ctx, 0.0, share).progress, minimised)
    fine_tune(detector, frames, second, phase(ctx, share, 1.0).progress)


def file_of(params: Any) -> str:
    """Return what the weights of parameters are called: tuned without density guidance (``plain``) where such ship.

    Raises ``Unsupported`` for a predictor of another loss that has to do without guidance, or is not asked at all: no weights
    were tuned so.
    """
    if params.predictor_loss not in (None, minimised_by(params.variant)):
        if not (params.predictor and params.density_guidance):
            off = "density_guidance" if params.predictor else "predictor"
            raise Unsupported(
                f"ada3d: no weights were tuned with predictor_loss: {params.predictor_loss} and {off}: false; "
                "leave one of them out or say training: full"
            )
        return f"{params.variant}-{params.predictor_loss}"
    plain = f"{params.variant}-plain"
    return plain if not params.density_guidance and (WEIGHTS / f"{plain}.safetensors").exists() else str(params.variant)


def load_shipped(detector: LidarDetector, variant: str, whole: bool) -> None:
    """Load the shipped state of a variant: predictor and tuned detector, or the predictor alone."""
    state = shipped_state(variant)
    if not whole:
        state = {name: value for name, value in state.items() if name.startswith("filter.")}
    detector.load_state_dict(state, strict=whole)


def shipped_state(variant: str) -> dict[str, torch.Tensor]:
    """Return the shipped weights of a variant in fp32; raise ``Unsupported`` for none or of another hash."""
    from safetensors.torch import load

    card = plain_yaml((WEIGHTS / "card.yaml").read_text("utf-8"))
    if variant not in card:
        raise Unsupported(
            f"ada3d: no tuned weights of {variant} ship, only {', '.join(sorted(card))}; say training: full"
        )
    content = (WEIGHTS / f"{variant}.safetensors").read_bytes()
    if hashlib.sha256(content).hexdigest() != card[variant]["sha256"]:
        raise Unsupported(f"ada3d: the weights of {variant} are not what their card says; reinstall effbench")
    return {name: value.float() if value.is_floating_point() else value for name, value in load(content).items()}


def load_tuned_detector(system: Any, variant: str) -> None:
    """Load the detector of a variant's tuned weights without its filter: the same training, another rule."""
    checked_for_shipped(system, variant)
    state = {name: value for name, value in shipped_state(variant).items() if not name.startswith("filter.")}
    system.detector.load_state_dict(state, strict=False)


def calibration_frames(system: Any, ctx: Context) -> list[Frame]:
    """Return some frames to prepare with, and their labels: what the task shows a detector that takes notes."""
    notes = _Notes(system.detector)
    ctx.run(replace(system, detector=notes, sees_truth=True), list(ctx.calibration())[:LOOKED_AT], ctx.seed)
    return notes.frames


class _Notes:
    """A detector that finds nothing and keeps the frames that it was shown."""

    def __init__(self, detector: LidarDetector) -> None:
        self.config = detector.config
        self.frames: list[Frame] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return nothing found."""
        self.frames += frames
        return [Detections(np.zeros((0, 7)), np.zeros(0), np.zeros(0, np.int64)) for _ in frames]


def facts_on(detector: LidarDetector, frames: Sequence[Frame]) -> dict[str, list[float | str]]:
    """Return what the filter does to frames: how full layers are left, effective operations by part.

    Counted with BEV run sparsely, whatever it runs as: the operations that the paper counts. What it loses inside boxes the
    task measures on the frames that it evaluates.
    """
    before = detector.bev.execution if isinstance(detector.bev, DenseBev) else "sparse"
    detector.executed("sparse")
    found = account(detector, frames)
    detector.executed(before)
    facts: dict[str, list[float | str]] = {name: [found.mean_macs(part) / 1e6, "M"] for part, name in COUNTED.items()}
    for name, value in found.mean_filled().items():
        kind, unit = ("density", "share") if name.startswith("bev") else ("voxels", "voxels")
        facts[f"{kind}_{name.partition('.')[2].replace('.', '_').replace('blocks', 'bev')}"] = [value, unit]
    return facts
