"""Train a LiDAR detector on generated frames: ``make zoo-lidar-detectors``. It goes on where it stopped.

AdamW with one cycle of the learning rate (up over 30 % of the steps, down over the rest), fp32, one thread.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.detector.learning import BATCH, batch_at, example, loss_of_batch
from effbench.lidar.detector.model import LidarDetector, save_detector
from effbench.zoo.checkpoints import load_ema
from effbench.zoo.fitting import TrainingPlan, fit, write_line
from effbench.zoo.lidar_detectors.data import held_out_frames, train_frames
from effbench.zoo.lidar_detectors.measure import judged

PEAK_LR, DECAY = 3e-3, 0.01
"""Peak and weight decay of Ada3D's recipe, which goes up over 40 % of 80 epochs; so few steps need more of the way down."""
WATCHED = 24
"""Held-out frames that are judged while a training runs, so that an error shows early."""
JUDGE_EVERY = 4
"""Checkpoints between two judgements of them."""


class DetectorRecipe(NamedTuple):
    """One training: a detector, how many frames it sees how often, and its seed."""

    name: str
    config: DetectorConfig
    frames: int = 2000
    epochs: int = 4
    seed: int = 0

    @property
    def steps(self) -> int:
        """Return the steps of the training."""
        return self.frames * self.epochs // BATCH

    @staticmethod
    def planned() -> tuple[str, ...]:
        """Return the numbers of the plan that stand in the header of its weights."""
        return ("frames", "epochs", "seed")

    @property
    def stage(self) -> str:
        """Return what its files are called."""
        return f"{self.name}-{self.seed}"


RECIPES = {
    "dense": DetectorConfig(bev="dense", norm="sp-bn"),
    "dense-bn": DetectorConfig(bev="dense", norm="batch"),
    "sparse": DetectorConfig(bev="sparse"),
    "half-width": DetectorConfig(bev="dense", width=0.5),
    "large-voxels": DetectorConfig(bev="dense", grid=VoxelGrid(voxel=(0.32, 0.32, 0.25))),
    "pillar": DetectorConfig(bev="pillar"),
}
"""What can be trained by name. Voxels of 0.32 m make cells of 0.64 m: 80 x 80 of them instead of 128 x 128, which alone
leaves 39 % of a dense BEV backbone's operations; with 0.4 m a pedestrian would be smaller than a cell."""


def train(recipe: DetectorRecipe, work: Path) -> LidarDetector:
    """Train to the end, from the last checkpoint if there is one; write and return the detector."""
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    detector = LidarDetector(recipe.config)
    frames, watched = train_frames(recipe.frames), held_out_frames(WATCHED)
    plan = TrainingPlan(
        recipe.stage,
        recipe.steps,
        PEAK_LR,
        warmup=max(1, int(0.3 * recipe.steps)),
        decay_share=0.7,
        weight_decay=DECAY,
        ema_decay=0.99,
    )
    checkpoints = 0

    def loss_of(step: int) -> torch.Tensor:
        examples = [
            example(frames[i], recipe.config, np.random.default_rng((recipe.seed, 32, step, i)))
            for i in batch_at(step, recipe.frames, recipe.seed)
        ]
        return loss_of_batch(detector, examples)

    def look(step: int, training_s: float, ema: dict[str, torch.Tensor]) -> None:
        nonlocal checkpoints
        checkpoints += 1
        if checkpoints % JUDGE_EVERY == 0:
            reached = judged(detector, watched)
            said = {name: round(value, 2) for name, value in reached.items() if "moderate" in name}
            write_line(work, stage=recipe.stage, step=step, training_s=round(training_s, 1), **said)

    fit(detector, loss_of, plan, work, look)
    load_ema(work / f"{recipe.stage}.checkpoint.safetensors", detector)
    facts = {name: str(getattr(recipe, name)) for name in recipe.planned()}
    save_detector(detector, work / f"{recipe.stage}.safetensors", {"recipe": recipe.stage, **facts})
    return detector


def main() -> None:
    """Train one detector and judge it on held-out frames."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--work", type=Path, default=Path("zoo-work/lidar"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--judge", type=int, default=200, help="held-out frames of the final judgement")
    args = parser.parse_args()
    torch.set_num_threads(1)
    recipe = DetectorRecipe(args.name, RECIPES[args.name], args.frames, args.epochs, args.seed)
    detector = train(recipe, args.work)
    reached = judged(detector, held_out_frames(args.judge))
    write_line(
        args.work,
        stage=recipe.stage,
        step=recipe.steps,
        held_out=args.judge,
        **{name: round(v, 2) for name, v in reached.items()},
    )


if __name__ == "__main__":
    main()
