"""Make the weights that ``ada3d`` ships: stages 2 and 3 from a trained detector; resumable.

``python -m effbench_baselines.ada3d.tuned B --detector DENSE.safetensors``. ``none`` tunes as long without a filter: the
control that says what the further training alone does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import torch
import yaml
from safetensors import safe_open

from effbench.lidar.detector.filtering import FeatureFilter
from effbench.lidar.detector.model import LidarDetector, load_detector, save_detector
from effbench.lidar.scene.splits import split_frames
from effbench.yamlplain import plain_yaml
from effbench_baselines.ada3d.method import Ada3d
from effbench_baselines.ada3d.preparing import WEIGHTS, install
from effbench_baselines.ada3d.training import FINE_TUNED_LR, PREDICTOR_LR, Stage, fine_tune, train_predictor
from effbench_baselines.ada3d.variants import VARIANTS, shipped_for

CONTROL = "none"
"""Tuned as long as a variant, without a filter."""
SHARED_WITH = "B"
"""Whose predictor a variant with the same insertion points starts from: a predictor is trained before anything is dropped."""


def tuned(
    detector: LidarDetector,
    variant: str,
    work: Path,
    predictor_steps: int,
    tuning_steps: int,
    seed: int,
    plain: bool = False,
    products: torch.dtype | None = None,
) -> None:
    """Run both stages, the first once for variants with the same points; write ``ada3d-VARIANT-SEED.safetensors``."""
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
        train_predictor(
            detector,
            frames,
            Stage(_predictor_stage(variant, seed), predictor_steps, PREDICTOR_LR, seed, work, products),
            told,
        )
    fine_tune(
        detector, frames, Stage(f"ada3d-tuning-{named}-{seed}", tuning_steps, FINE_TUNED_LR, seed, work, products), told
    )
    save_detector(
        detector, work / f"ada3d-{named}-{seed}.safetensors", {"variant": variant, "steps": str(tuning_steps)}
    )


def shipped_name(variant: str, seed: int, plain: bool = False) -> str:
    """Return what shipped weights are called: the first training seed's like the variant, others with their seed."""
    return variant + "-plain" * plain + (f"-seed{seed}" if seed else "")


def ship(work: Path, folder: Path = WEIGHTS) -> None:
    """Copy finished weights into the package and write into ``card.yaml`` what they are and their sha256.

    What is in the card and not in ``work`` stays.
    """
    folder.mkdir(exist_ok=True)
    card_file = folder / "card.yaml"
    card = plain_yaml(card_file.read_text("utf-8")) if card_file.exists() else {}
    for made in sorted(work.glob("ada3d-*.safetensors")):
        name, _, seed = made.stem.removeprefix("ada3d-").rpartition("-")
        variant, _, plain = name.partition("-")
        if variant not in (*VARIANTS, CONTROL):
            continue  # a stage's checkpoint
        facts = _facts_of(made)
        shipped = shipped_name(variant, int(seed), bool(plain))
        (folder / f"{shipped}.safetensors").write_bytes(made.read_bytes())
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        predictor = work / f"{_predictor_stage(variant, int(seed))}.safetensors" if variant != CONTROL else None
        learned = {} if predictor is None else {"predictor_steps": _facts_of(predictor)["step"]}
        card[shipped] = {
            "from": shipped_for(variant),
            **learned,
            "tuning_steps": facts["steps"],
            "seed": seed,
            "norm_statistics": "kept",
            "sha256": digest,
        }
    card_file.write_text(yaml.safe_dump(card, sort_keys=False), "utf-8")


def _facts_of(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as header:
        return dict(header.metadata())


def _predictor_stage(variant: str, seed: int) -> str:
    """Return the name of a predictor's training, one for all variants of a detector that filter at the same points."""
    points = [tuple(map(tuple, VARIANTS[name])) for name in (variant, SHARED_WITH)]
    return f"ada3d-predictor-{seed}" if points[0] == points[1] else f"ada3d-predictor-{variant}-{seed}"


def main() -> None:
    """Tune one variant, or ship those that are finished."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("variant", choices=[*VARIANTS, CONTROL, "ship"])
    parser.add_argument("--detector", type=Path, help="weights of the dense detector with SP-BN; for voxels: sparse")
    parser.add_argument("--work", type=Path, default=Path("zoo-work/lidar"))
    parser.add_argument("--predictor-steps", type=int, default=450)
    parser.add_argument("--tuning-steps", type=int, default=700)
    parser.add_argument("--plain", action="store_true", help="without density guidance")
    parser.add_argument("--bf16", action="store_true", help="products of BEV convolutions in bf16 (quick with AMX)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.variant == "ship":
        ship(args.work)
        return
    tuned(
        load_detector(args.detector),
        args.variant,
        args.work,
        args.predictor_steps,
        args.tuning_steps,
        args.seed,
        args.plain,
        torch.bfloat16 if args.bf16 else None,
    )


if __name__ == "__main__":
    main()
