"""Make the weights that ``ada3d`` ships: stages 2 and 3 from a trained detector; resumable.

``python -m effbench_baselines.ada3d.tuned B --detector DENSE.safetensors``. ``none`` tunes as long without a filter: the
control that says what the further training alone does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from safetensors import safe_open

from effbench.lidar.detector.filtering import FeatureFilter
from effbench.lidar.detector.model import LidarDetector, load_detector, save_detector
from effbench.lidar.scene.splits import split_frames
from effbench_baselines.ada3d.method import Ada3d
from effbench_baselines.ada3d.preparing import WEIGHTS, install
from effbench_baselines.ada3d.training import FINE_TUNED_LR, PREDICTOR_LR, Stage, fine_tune, train_predictor
from effbench_baselines.ada3d.variants import VARIANTS, shipped_for

CONTROL = "none"
"""Tuned as long as a variant, without a filter."""


def tuned(
    detector: LidarDetector,
    variant: str,
    work: Path,
    predictor_steps: int,
    tuning_steps: int,
    seed: int,
    plain: bool = False,
) -> None:
    """Run both stages (the first once for all variants) and write ``ada3d-VARIANT-SEED.safetensors``."""
    frames = list(split_frames("train", count=Ada3d.Params().frames))
    torch.manual_seed(seed)

    def told(done: float, of: float, text: str) -> None:
        if done % 25 == 0 or done == of:
            print(json.dumps({"variant": variant, "step": done, "of": of, "text": text}), flush=True)

    named = f"{variant}-plain" if plain else variant
    if variant == CONTROL:
        detector.filter = FeatureFilter()
    else:
        install(detector, Ada3d.Params(variant=variant, density_guidance=not plain))
        of = "-".join(["ada3d-predictor", *(["sparse"] if detector.config.bev == "sparse" else []), str(seed)])
        train_predictor(detector, frames, Stage(of, predictor_steps, PREDICTOR_LR, seed, work), told)
    fine_tune(detector, frames, Stage(f"ada3d-tuning-{named}-{seed}", tuning_steps, FINE_TUNED_LR, seed, work), told)
    save_detector(
        detector, work / f"ada3d-{named}-{seed}.safetensors", {"variant": variant, "steps": str(tuning_steps)}
    )


def ship(work: Path, names: Sequence[str], seed: int, folder: Path = WEIGHTS) -> None:
    """Copy finished weights into the package and write ``card.yaml`` with what they are and their sha256."""
    folder.mkdir(exist_ok=True)
    card: dict[str, dict[str, str]] = {}
    for name in names:
        made = work / f"ada3d-{name}-{seed}.safetensors"
        with safe_open(made, "pt") as header:
            facts = dict(header.metadata())
        (folder / f"{name}.safetensors").write_bytes(made.read_bytes())
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        tuned_from = shipped_for(facts["variant"])
        card[name] = {"from": tuned_from, "tuning_steps": facts["steps"], "seed": str(seed), "sha256": digest}
    (folder / "card.yaml").write_text(yaml.safe_dump(card, sort_keys=False), "utf-8")


def main() -> None:
    """Tune one variant, or ship those that are finished."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("variant", choices=[*VARIANTS, CONTROL, "ship"])
    parser.add_argument("--detector", type=Path, help="weights of the dense detector with SP-BN; for voxels: sparse")
    parser.add_argument("--work", type=Path, default=Path("zoo-work/lidar"))
    parser.add_argument("--predictor-steps", type=int, default=450)
    parser.add_argument("--tuning-steps", type=int, default=400)
    parser.add_argument("--plain", action="store_true", help="without density guidance")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.variant == "ship":
        finished = sorted(
            file.stem.split("-", 1)[1].rpartition("-")[0] for file in args.work.glob("ada3d-[ABCrv]*.safetensors")
        )
        ship(args.work, finished, args.seed)
        return
    tuned(
        load_detector(args.detector),
        args.variant,
        args.work,
        args.predictor_steps,
        args.tuning_steps,
        args.seed,
        args.plain,
    )


if __name__ == "__main__":
    main()
