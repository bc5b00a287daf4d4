"""Stages 2 and 3 of Ada3D: the predictor learns beside a frozen detector, then the detector learns under a frozen filter.

Resumable: weights, statistics and the optimiser's moments go into one safetensors file every few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn

from effbench.errors import BadInput
from effbench.lidar.detector.backbones import DenseBev
from effbench.lidar.detector.learning import BATCH, batch_at, example, loss_of_batch
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.detector.spbn import MOMENTUM
from effbench.lidar.detector.targets import Objects, targets_of
from effbench.lidar.frames import Frame
from effbench_baselines.ada3d.importance import Ada3dFilter
from effbench_baselines.ada3d.variants import PredictorLoss

LEAST_RADIUS = 5
"""Cells (2 m) that importance reaches around an object at least: the paper's for the predictor, 2 for the detector."""
LEAST = 1e-6
"""By which a prediction stays away from 0 and 1, whose logarithm has no end; a sigmoid in fp32 reaches both."""
DECAY = 0.01
"""The paper's, of both stages."""
PREDICTOR_LR: Mapping[PredictorLoss, float] = {"squared": 3e-2, "cross-entropy": 1e-1}
"""Of stage 2, by what it minimises: ten times the paper's and more, which has 30 epochs. At 3e-3 the last norm's bias moves
by half a unit in 200 steps, and the output stays near 1/2 where hardly any cell holds an object."""
FINE_TUNED_LR = 1e-3
"""Of stage 3: a third of the paper's, which has 40 epochs to recover from its first steps; ours has a few."""
WARM_SHARE = 0.2
"""Share of the steps over which the rate rises."""
SETTLING_STEPS = 20
"""Batches that the predictor's statistics are taken over in the end: 80 frames of 16,384 cells."""
CHECKPOINT_STEPS = 25
"""Steps between checkpoints: half a minute."""

Progress = Callable[[float, float, str], None]


@dataclass(frozen=True)
class Stage:
    """A training: its name, how many steps, the peak rate, the seed, and where it keeps its checkpoint (None: nowhere).

    ``products``: the type of the BEV convolutions' products; bf16 is a third quicker where the processor has AMX.
    ``recipe``: what else the result depends on; it stands in the checkpoint, and one of another recipe is not gone on with.
    """

    name: str
    steps: int
    peak: float
    seed: int = 0
    folder: Path | None = None
    products: torch.dtype | None = None
    recipe: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, str]:
        """Return what a checkpoint says it is of."""
        told = {"steps": str(self.steps), "peak": str(self.peak), "seed": str(self.seed)}
        return {**told, "products": str(self.products), **self.recipe}


def train_predictor(
    detector: LidarDetector, frames: Sequence[Frame], stage: Stage, progress: Progress, minimised: PredictorLoss
) -> None:
    """Train predictor and adapters to tell where objects are; the detector stays in evaluation, its statistics too.

    The released code leaves the detector in training there, so that its norms' statistics move.
    """
    drop = _filter_of(detector)
    drop.learning = True

    def loss_of(step: int) -> torch.Tensor:
        examples = _examples(detector, frames, step, stage)
        drop.adapted = []
        voxels = detector.batch([voxels for voxels, _ in examples])
        detector.bev(detector.backbone3d(voxels, drop), drop)
        wanted = torch.stack([importance_target(objects, detector) for _, objects in examples])[:, None]
        return predictor_loss(predicted_together(drop), wanted, minimised)

    for parameter in detector.parameters():
        parameter.requires_grad_(False)
    for parameter in drop.parameters():
        parameter.requires_grad_(True)
    try:
        with _over_maps(detector, stage):
            descend(drop, loss_of, stage, progress)
            _settle(drop, loss_of, stage)
    finally:
        drop.learning = False
        drop.adapted = []
        for parameter in detector.parameters():
            parameter.requires_grad_(True)


def predicted_together(drop: Ada3dFilter) -> list[torch.Tensor]:
    """Return the predictions [B, classes, H, W] of all insertion points, normalised together.

    The predictor is one for all of them, and so are its norms' statistics when it is used. Normalised by its own batch, each
    point would be trained with statistics that it never sees again; the released code does that.
    """
    given = drop.adapted
    together = torch.cat(given).contiguous(memory_format=torch.channels_last)  # grouped convolutions take half the time
    return list(drop.predictor(together).chunk(len(given)))


@torch.no_grad()
def _settle(drop: Ada3dFilter, loss_of: Callable[[int], torch.Tensor], stage: Stage) -> None:
    """Take the predictor's statistics anew over some batches: at the paper's momentum they lag behind so short a training."""
    norms = [module for module in drop.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
    for step in range(stage.steps, stage.steps + SETTLING_STEPS):
        loss_of(step)
    for norm in norms:
        norm.momentum = MOMENTUM


def fine_tune(detector: LidarDetector, frames: Sequence[Frame], stage: Stage, progress: Progress) -> None:
    """Train the detector under its filter's drops from the first step on; the filter is frozen (it is in the paper too).

    The norms keep the statistics that stage 1 left. A batch from which most cells were dropped has others, above all in the
    head, whose norm sees the empty cells too: normalised by those, the detector that lost little by the drops would start
    with twice its loss, and end between two sets of statistics. In the released code they move, for 40 epochs.
    """
    for parameter in detector.filter.parameters():
        parameter.requires_grad_(False)
    with _over_maps(detector, stage):
        descend(
            detector, lambda step: loss_of_batch(detector, _examples(detector, frames, step, stage)), stage, progress
        )


@contextmanager
def _over_maps(detector: LidarDetector, stage: Stage) -> Iterator[None]:
    """Run the detector in evaluation, BEV over whole maps, its products in the stage's type; afterwards as before."""
    before = detector.bev.execution if isinstance(detector.bev, DenseBev) else "dense"
    detector.eval().executed("dense").trained_in(stage.products)
    if isinstance(detector.filter, Ada3dFilter):
        detector.filter.train(detector.filter.learning)
    try:
        yield
    finally:
        detector.eval().executed(before).trained_in(None)


def importance_target(objects: Objects, detector: LidarDetector) -> torch.Tensor:
    """Return [H, W]: the heat maps of all classes together, not clipped, each object at least 2 m wide."""
    return torch.from_numpy(targets_of(objects, detector.config, least_radius=LEAST_RADIUS).heat.sum(0))


def predictor_loss(predicted: Sequence[torch.Tensor], wanted: torch.Tensor, minimised: PredictorLoss) -> torch.Tensor:
    """Return the loss of each point's channels [B, classes, H, W] to the map [B, 1, H, W]: means, summed over the points.

    Squared errors are the paper's. Both are least where the prediction is the mean of the map given the features; but a
    filter has to tell which of its lowest cells to drop, those of 0.01 or of 0.03, and squared errors hardly tell them
    apart. A cross-entropy takes the map clipped at 1, which the sum over classes exceeds where objects overlap.
    """
    if minimised == "squared":
        return torch.stack([(own - wanted).square().mean() for own in predicted]).sum()
    target = wanted.clamp(max=1)
    return torch.stack(
        [nn.functional.binary_cross_entropy(own.clamp(LEAST, 1 - LEAST), target.expand_as(own)) for own in predicted]
    ).sum()


def descend(module: nn.Module, loss_of: Callable[[int], torch.Tensor], stage: Stage, progress: Progress) -> None:
    """Run AdamW over one cycle of the rate, from the checkpoint if there is one."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=stage.peak, weight_decay=DECAY)
    file = None if stage.folder is None else stage.folder / f"{stage.name}.safetensors"
    step = 0 if file is None or not file.exists() else _restore(file, module, optimiser, stage)
    warm = max(1, int(WARM_SHARE * stage.steps))
    while step < stage.steps:
        for group in optimiser.param_groups:
            group["lr"] = stage.peak * min((step + 1) / warm, (stage.steps - step) / (stage.steps - warm + 1))
        loss = loss_of(step)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 10.0)  # the paper's
        optimiser.step()
        step += 1
        progress(step, stage.steps, f"{stage.name}: loss {loss.item():.3f}")
        if file is not None and (step % CHECKPOINT_STEPS == 0 or step == stage.steps):
            _save(file, module, optimiser, step, stage)


def _examples(detector: LidarDetector, frames: Sequence[Frame], step: int, stage: Stage):  # type: ignore[no-untyped-def]
    count = len(frames) // BATCH * BATCH
    chosen = batch_at(step, count, stage.seed)
    return [example(frames[i], detector.config, np.random.default_rng((stage.seed, 33, step, i))) for i in chosen]


def _filter_of(detector: LidarDetector) -> Ada3dFilter:
    if not isinstance(detector.filter, Ada3dFilter):
        raise TypeError(f"the detector's filter is {type(detector.filter).__name__}, which has no predictor")
    return detector.filter


def _save(file: Path, module: nn.Module, optimiser: torch.optim.Optimizer, step: int, stage: Stage) -> None:
    from safetensors.torch import save_file

    tensors = {f"module.{name}": value.contiguous() for name, value in module.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{key}": value for key, value in state.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")
    save_file(tensors, temporary, metadata={**stage.facts(), "step": str(step)})
    temporary.replace(file)


def _restore(file: Path, module: nn.Module, optimiser: torch.optim.Optimizer, stage: Stage) -> int:
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
        told = opened.metadata() or {}
    other = [name for name, value in stage.facts().items() if told.get(name) != value]
    if other:
        differing = ", ".join(f"{name} {told.get(name, 'not said')} instead of {stage.facts()[name]}" for name in other)
        raise BadInput(f"{file}: a checkpoint of another training ({differing}); move it away to train anew")
    step = int(told["step"])
    module.load_state_dict({n.removeprefix("module."): t for n, t in tensors.items() if n.startswith("module.")})
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return step
