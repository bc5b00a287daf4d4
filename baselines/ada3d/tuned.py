"""Make the weights that ``ada3d`` ships: stages 2 and 3 from a trained detector; resumable.

``python -m effbench_baselines.ada3d.tuned B --detector DENSE.safetensors``. ``none`` tunes as long without a filter: the
control that says what the further training alone does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Literal, get_args

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
from effbench_baselines.ada3d.variants import VARIANTS, Shares, minimised_by, ratios, shipped_for

How = Literal["", "plain", "squared"]
"""A training beside a variant's own: without density guidance, or with squared errors as what the predictor minimises."""
LEARNED = ("predictor_steps", "predictor_loss", "voxel_keep", "cell_keep", "density_guidance")
"""What weights say of the filter that they were tuned for; those of the control say nothing of it."""
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
    how: How = "",
    products: torch.dtype | None = None,
) -> None:
    """Run both stages, the first once for variants with the same points; write ``ada3d-VARIANT[-HOW]-SEED.safetensors``."""
    frames = list(split_frames("train", count=Ada3d.Params().frames))
    torch.manual_seed(seed)

    def told(done: float, of: float, text: str) -> None:
        if done % 25 == 0 or done == of:
            print(json.dumps({"variant": variant, "step": done, "of": of, "text": text}), flush=True)

    named = f"{variant}-{how}" if how else variant
    begun = {"from": fingerprint(detector), "frames": str(len(frames))}
    learned: dict[str, str] = {}
    if variant == CONTROL:
        detector.filter = FeatureFilter()
    else:
        params = Ada3d.Params(variant=variant, density_guidance=how != "plain")
        install(detector, params)
        minimised = minimised_by(variant, "squared" if how == "squared" else None)
        learned = {"predictor_steps": str(predictor_steps), "predictor_loss": minimised}
        rate, name = PREDICTOR_LR[minimised], _predictor_stage(variant, seed, how)
        stage = Stage(name, predictor_steps, rate, seed, work, products, {**begun, "predictor_loss": minimised})
        train_predictor(detector, frames, stage, told, minimised)
        learned |= shares_told(ratios(params)) | {"density_guidance": str(how != "plain")}
    name = f"ada3d-tuning-{named}-{seed}"
    fine_tune(
        detector, frames, Stage(name, tuning_steps, FINE_TUNED_LR, seed, work, products, {**begun, **learned}), told
    )
    facts = {"variant": variant, "steps": str(tuning_steps), **learned}
    save_detector(detector, work / f"ada3d-{named}-{seed}.safetensors", facts)


def fingerprint(detector: LidarDetector) -> str:
    """Return a hash of the weights that a training starts from."""
    digest = hashlib.sha256()
    for name, value in sorted(detector.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def shares_told(shares: Shares) -> dict[str, str]:
    """Return what a filter keeps as a card says it."""
    told = {"voxel_keep": shares.voxels, "cell_keep": shares.cells}
    return {name: ", ".join(f"{point}: {keep:g}" for point, keep in kept.items()) for name, kept in told.items()}


def shipped_name(variant: str, seed: int, how: str = "") -> str:
    """Return what shipped weights are called: the first training seed's like the variant, others with their seed."""
    return variant + f"-{how}" * bool(how) + (f"-seed{seed}" if seed else "")


def ship(work: Path, folder: Path = WEIGHTS) -> None:
    """Copy finished weights into the package and write into ``card.yaml`` what they are and their sha256.

    What is in the card and not in ``work`` stays.
    """
    folder.mkdir(exist_ok=True)
    card_file = folder / "card.yaml"
    card = plain_yaml(card_file.read_text("utf-8")) if card_file.exists() else {}
    for made in sorted(work.glob("ada3d-*.safetensors")):
        name, _, seed = made.stem.removeprefix("ada3d-").rpartition("-")
        variant, _, how = name.partition("-")
        if variant not in (*VARIANTS, CONTROL):
            continue  # a stage's checkpoint
        facts = _facts_of(made)
        shipped = shipped_name(variant, int(seed), how)
        (folder / f"{shipped}.safetensors").write_bytes(made.read_bytes())
        digest = hashlib.sha256(made.read_bytes()).hexdigest()
        learned = {name: facts[name] for name in LEARNED if name in facts}
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


def _predictor_stage(variant: str, seed: int, how: str = "") -> str:
    """Return the name of a predictor's training, one for all variants of a detector that filter at the same points."""
    points = [tuple(map(tuple, VARIANTS[name])) for name in (variant, SHARED_WITH)]
    named = "ada3d-predictor" if points[0] == points[1] else f"ada3d-predictor-{variant}"
    return f"{named}-squared-{seed}" if how == "squared" else f"{named}-{seed}"


def main() -> None:
    """Tune one variant, or ship those that are finished."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("variant", choices=[*VARIANTS, CONTROL, "ship"])
    parser.add_argument("--detector", type=Path, help="weights of the dense detector with SP-BN; for voxels: sparse")
    parser.add_argument("--work", type=Path, default=Path("zoo-work/lidar"))
    parser.add_argument("--predictor-steps", type=int, default=450)
    parser.add_argument("--tuning-steps", type=int, default=700)
    parser.add_argument(
        "--how",
        choices=get_args(How),
        default="",
        help="plain: without density guidance; squared: the predictor minimises squared errors, whatever the variant",
    )
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
        args.how,
        torch.bfloat16 if args.bf16 else None,
    )


if __name__ == "__main__":
    main()
