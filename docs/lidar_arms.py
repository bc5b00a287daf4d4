"""Rows of the section "peers" of docs/lidar.md: LiDAR methods, ablations and controls, and what each of them comes to.

Weights, shares and detectors are those that the package ships when it runs: nothing is trained here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

from effbench.api import Artifact, Context, Method, PluginError
from effbench.arrays import Array
from effbench.lidar.detector.accounting import PARTS, account
from effbench.lidar.detector.backbones import Execution
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.detector.spbn import EPS
from effbench.lidar.frames import Frame
from effbench.stats.bootstrap import bootstrap_replicates
from effbench.tasks.lidar_detection.detectors import weights_of
from effbench.tasks.lidar_detection.system import LidarSystem
from effbench.tasks.lidar_detection.task import LidarDetection
from effbench.yamlplain import plain_yaml
from effbench_baselines.ada3d.method import Ada3d
from effbench_baselines.ada3d.preparing import WEIGHTS, file_of
from effbench_baselines.ada3d.tuned import CONTROL
from effbench_baselines.ada3d.variants import ratios
from effbench_baselines.lidar_peers.method import LidarBev, LidarDrop, LidarFocals, LidarInt8

SMALL_PARTS = ("choice", "maps")
"""Parts whose operations are fewer than one in a hundred: tables show a digit more of them."""
ZOO = "zoo:lidar-detectors"
DENSE, SPARSE = f"{ZOO}/dense", f"{ZOO}/sparse"
COUNTED_FRAMES = 24
"""Evaluated frames whose operations are counted; their mean is within a few percent of that of all."""
SHOWN_FRAMES = 12
"""Calibration frames that int8 takes its ranges from."""
CONTROLS = {
    "half-width": "half width, over occupied cells",
    "large-voxels": "voxels of 0.32 m, over occupied cells",
    "pillar": "pillars, over occupied cells",
}
"""Detectors with SP-BN trained as long as the dense one, by name in the zoo; one that does not ship has no row."""
WITHOUT_SPBN = f"{ZOO}/dense-bn"
REFERENCE, OCCUPIED, FULLY_SPARSE = "**dense** (reference)", "the same, over occupied cells", "**fully sparse**"
TUNED = "dense, tuned as long (no filter)"
"""The control of every row that runs on tuned weights: what a method makes of them is the difference to this one."""
RELEASED = "Ada3D, the released shares"
UNGUIDED, INT8, UPON_SPARSE = "B without density guidance", "int8 BEV", "Ada3D on the fully sparse"
"""Titles of rows that the text above the tables speaks of."""
FULL_CELLS = ("bev.blocks", "bev.enter", "bev.leave")
"""BEV layers at the detector's own cell size: of a fully sparse one the coarser levels are left out of the density."""


class Arm(NamedTuple):
    """One row: its title, which detector, the method upon it (None: as it is), how BEV runs where it is counted, a note."""

    title: str
    system: str = DENSE
    method: Method | None = None
    counted: Execution = "sparse"
    note: str = ""
    tuned: bool = False
    """It runs on weights that Ada3D's last stage tuned further: to be compared with those tuned as long without a filter."""
    change: Callable[[LidarDetector, Sequence[Frame]], None] | None = None
    """Done to the detector, which is then only counted: nobody trained it so."""


class Measured(NamedTuple):
    """What a row came to: metrics, ``map_3d`` on every resample, operations by part in millions, and what is left.

    Without metrics where it was only counted. ``voxels``: after the filter of each block of the 3D backbone. ``filled``: the
    mean over the BEV convolutions of the share of cells that are not zero after them; ``pixels``: the same weighted by the
    operations of each, as the paper counts 2D.
    """

    metrics: dict[str, float]
    replicates: Array
    macs: dict[str, float]
    voxels: tuple[float, ...]
    filled: float
    pixels: float

    @property
    def backbones(self) -> float:
        """Return the operations of both backbones: what the paper counts."""
        return self.macs["backbone3d"] + self.macs["bev"]

    @property
    def everything(self) -> float:
        """Return all operations, the filter's too."""
        return sum(self.macs.values())


def ada3d(variant: str, **more: bool) -> tuple[Ada3d, str]:
    """Return Ada3D as a variant with the weights that were tuned for it, or B's with its shares; and which, as a note."""
    card, method = shipped(), Ada3d(Ada3d.Params(variant=variant, **more))
    named = file_of(method.params)
    if named in card:
        if not method.params.density_guidance and named == variant:
            return method, f"on {variant}'s weights, which were tuned with it"
        return method, tuning_of(card[named], " without density guidance" * (named != variant))
    own, whole = (ratios(Ada3d.Params(variant=name)) for name in (variant, "B"))  # by insertion point: voxels, cells
    voxels, cells = (tuple(mine.get(point, 1.0) for point in at_b) for mine, at_b in zip(own, whole))
    return Ada3d(Ada3d.Params(voxel_keep=voxels, cell_keep=cells)), f"its shares on B's weights: none of {variant} ship"


def tuning_of(facts: dict[str, str], how: str) -> str:
    """Return a note on what the card says of tuned weights; ``how`` follows "tuned for it"."""
    steps = int(facts["tuning_steps"])
    if not steps:
        return "the detector is not tuned"
    moving = ", with the batch's statistics" * (facts.get("norm_statistics") == "moving")
    return f"tuned for it{how}{moving}, {steps} steps more than the detector itself"


def millions(part: str, macs: float) -> str:
    """Return the millions of operations of a part as tables show them."""
    return f"{macs:,.1f}" if part in SMALL_PARTS else f"{macs:,.0f}"


def shipped() -> dict[str, dict[str, str]]:
    """Return the card of Ada3D's shipped weights."""
    card: dict[str, dict[str, str]] = plain_yaml((WEIGHTS / "card.yaml").read_text("utf-8"))
    return card


def arms() -> Iterator[Arm]:
    """Yield the rows, the dense reference first."""
    yield Arm(REFERENCE, counted="dense")
    yield Arm(OCCUPIED, method=LidarBev(LidarBev.Params(execution="sparse")))
    yield Arm(FULLY_SPARSE, SPARSE)
    for name, title in CONTROLS.items():
        if in_zoo(f"{ZOO}/{name}"):
            yield Arm(title, f"{ZOO}/{name}", note="trained as long as dense")
    if CONTROL in shipped():
        sparsely = LidarBev(LidarBev.Params(execution="sparse"))
        steps = shipped()[CONTROL]["tuning_steps"]
        note = (
            f"{steps} steps more than the detector itself, nothing dropped, over occupied cells: what training on gives"
        )
        yield Arm(TUNED, str(WEIGHTS / f"{CONTROL}.safetensors"), sparsely, note=note, tuned=True)
    for variant in ("A", "B", "C"):
        method, note = ada3d(variant)
        yield Arm(f"**Ada3D-{variant}**", method=method, note=note, tuned=True)
    if "released" in shipped():
        method, note = ada3d("released")
        yield Arm(RELEASED, method=method, note=f"the paper's guidance; {note}", tuned=True)
    method, note = ada3d("B", density_guidance=False)
    yield Arm(UNGUIDED, method=method, note=note, tuned=True)
    uniform, note = Ada3d(Ada3d.Params(predictor=False)), "density decides alone (density drop), on B's weights"
    yield Arm("B without predictor", method=uniform, note=note, tuned=True)
    if in_zoo(WITHOUT_SPBN):
        yield Arm(
            "dense without SP-BN", WITHOUT_SPBN, counted="dense", note="ordinary batch norm; trained as long as dense"
        )
    method, _ = ada3d("B")
    note = "B with ordinary batch norms, their statistics taken on its own frames: the map is full again after each"
    yield Arm("B without SP-BN", method=method, note=note, change=to_batch_norm)
    for rule in ("random", "distance", "magnitude", "oracle"):
        dropping = LidarDrop(LidarDrop.Params(rule=rule, tuned=True))
        yield Arm(f"{rule} drop", method=dropping, note="as many as B, on B's weights", tuned=True)
    yield Arm("Focals-type growth", method=LidarFocals(), note="not tuned")
    yield Arm(INT8, method=LidarInt8(), counted="dense", note="as many operations, those of BEV in int8")
    if "voxels" in shipped():
        method, note = ada3d("voxels")
        yield Arm(UPON_SPARSE, SPARSE, method, note=f"voxels alone; {note}")


def in_zoo(system: str) -> bool:
    """Return whether a detector ships."""
    try:
        return weights_of(system).is_file()
    except PluginError:
        return False


def made(arm: Arm, frames: int | None) -> tuple[LidarDetection, LidarSystem]:
    """Return the task and the system of a row, prepared as the runner would."""
    task = LidarDetection(LidarDetection.Params(system=arm.system, frames=frames))
    task.check()
    artifact = prepared(arm, task)
    if arm.method is None or artifact is None:
        return task, task.load(Context())
    return task, arm.method.apply(task.load(Context()), artifact)


def prepared(arm: Arm, task: LidarDetection | None = None) -> Artifact | None:
    """Return what the method of a row prepares, as the runner would; None where there is no method."""
    if arm.method is None:
        return None
    task = task or LidarDetection(LidarDetection.Params(system=arm.system))
    # Only int8 looks at frames; what others do to calibration frames would be a fact, and is counted below on evaluated ones.
    shown = SHOWN_FRAMES if isinstance(arm.method, LidarInt8) else 0
    ctx = Context(calibration=lambda: list(task.samples("calibration"))[:shown], run=task.run)
    return arm.method.prepare(task.load(ctx), ctx)


def measured(arm: Arm, frames: int | None, resamples: int) -> Measured:
    """Return what a row comes to on the evaluated frames."""
    task, system = made(arm, frames)
    samples = task.samples("evaluation")
    whole = [system.shown(task.source.frame(sample.data["frame"])) for sample in samples[:COUNTED_FRAMES]]
    metrics: dict[str, float] = {}
    replicates = np.zeros(0)
    if arm.change is None:
        summarise = task.summariser(task.score(task.run(system, samples, 0), samples, None))
        metrics = dict(summarise(np.ones(len(samples))))
        replicates = bootstrap_replicates(summarise, [sample.id for sample in samples], resamples)["map_3d"]
    else:
        arm.change(system.detector, whole)
    detector = system.detector.executed(arm.counted)
    with voxels_seen(detector) as seen:
        found = account(detector, whole)
    filled = {name: share for name, share in found.mean_filled().items() if name.startswith(FULL_CELLS)}
    inputs = [detector.get_submodule(name).weight.shape[1 if name.startswith("bev.blocks") else -2] for name in filled]
    return Measured(
        metrics,
        replicates,
        {part: found.mean_macs(part) / 1e6 for part in PARTS},
        tuple(float(np.mean(counts)) for counts in seen.values()),
        float(np.mean(list(filled.values()))) if filled else math.nan,
        float(np.average(list(filled.values()), weights=inputs)) if filled else math.nan,
    )


def to_batch_norm(detector: LidarDetector, frames: Sequence[Frame]) -> None:
    """Put ordinary batch norms in the place of SP-BN, with the statistics that the features of frames have there."""
    for block in detector.bev.blocks:
        norm = torch.nn.BatchNorm2d(len(block.weight), EPS, momentum=None)  # None: the mean over all that it saw
        norm.weight.data = block.norm.weight.data.clone()
        block.norm = norm
        block.train()
    detector.executed("dense").detect(frames)
    detector.eval()


@contextmanager
def voxels_seen(detector: LidarDetector) -> Iterator[dict[str, list[int]]]:
    """Note how many voxels each frame has left after the filter of each block: what the next one is given."""
    seen: dict[str, list[int]] = {name: [] for name in ("conv2", "conv_out") if hasattr(detector.backbone3d, name)}
    hooks = [
        getattr(detector.backbone3d, name).register_forward_pre_hook(
            lambda _, given, counts=counts: counts.append(len(given[0].sites))
        )
        for name, counts in seen.items()
    ]
    yield seen
    for hook in hooks:
        hook.remove()
