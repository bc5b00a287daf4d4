"""From the newest EMA to what ships: a diffusers folder in fp16, the sample sheet and the card. Runs at any time.

A training that has stopped early is exported as it stands; the card says after how many steps of each stage. With
``--judged`` the shipped weights are judged too (minutes), at 20 and at 5 steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from effbench.zoo.checkpoints import facts_of, load_ema
from effbench.zoo.emoji_pixart.autoencoder import PLAN as AUTOENCODER_PLAN
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.curve import LISTS, accuracy, save_sheet, trained_judge
from effbench.zoo.emoji_pixart.denoiser import CAPTION_DROPOUT, STAGES
from effbench.zoo.emoji_pixart.models import build_denoiser
from effbench.zoo.emoji_pixart.sampling import GUIDANCE, STEPS, assemble, draw
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.shipping import curve_of, parameters_of, save_pipeline, write_card

if TYPE_CHECKING:
    from diffusers import PixArtSigmaPipeline

FOLDER = Path(__file__).parent


def trained_pipeline(work: Path) -> PixArtSigmaPipeline:
    """Return the pipeline of the newest stage's EMA."""
    checkpoints = [work / f"{stage.plan.name}.checkpoint.safetensors" for stage in STAGES]
    newest = [path for path in checkpoints if path.exists()]
    if not newest:
        raise SystemExit(f"{checkpoints[0]}: no checkpoint yet")
    denoiser = build_denoiser()
    load_ema(newest[-1], denoiser)
    autoencoder = build_autoencoder()
    autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))
    return assemble(denoiser, autoencoder)


def judged(pipeline: PixArtSigmaPipeline, work: Path, seeds: tuple[int, ...] = (1, 2)) -> dict[str, float]:
    """Return right-among-20 of both lists at 20 and at 5 steps, each prompt once per seed."""
    judge, found = trained_judge(work), {}
    for name in LISTS:
        sentences = [entry.prompt for entry in prompts(name)]
        for steps in (STEPS, 5):
            shares = [accuracy(draw(pipeline, sentences, seed, steps), name, judge) for seed in seeds]
            found[f"{name}_among_20_at_{steps}_steps"] = round(sum(shares) / len(shares), 4)
    return found


def card(pipeline: PixArtSigmaPipeline, work: Path) -> dict[str, Any]:
    """Return what the card says before the hashes."""
    runs = {}
    for stage in STAGES:
        checkpoint = work / f"{stage.plan.name}.checkpoint.safetensors"
        if checkpoint.exists():
            facts = facts_of(checkpoint)
            runs[stage.plan.name] = {"steps": int(facts["step"]), "training_s": float(facts["training_s"])}
    names = tuple(stage.plan.name for stage in STAGES)
    lines = curve_of(work, names)
    parts = {"transformer": pipeline.transformer, "text_encoder": pipeline.text_encoder, "vae": pipeline.vae}
    return {
        "id": "zoo:emoji-pixart",
        "pipeline": "PixArtSigmaPipeline",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": "data_manifests/emoji_scenes.yaml (scenes composed from real Noto emoji)",
        "recipe": "make zoo-emoji-pixart",
        "judge": "zoo:emoji-judge",
        "seed": world().seed,
        "sampler": {"steps": STEPS, "guidance": GUIDANCE},
        "parameters": {name: parameters_of(part) for name, part in parts.items()},
        "autoencoder": {**AUTOENCODER_PLAN._asdict(), **_numbers(facts_of(work / "autoencoder.safetensors"))},
        "caption_dropout": CAPTION_DROPOUT,
        "stages": [{**stage.plan._asdict(), "batch": stage.batch, "side": 64 // stage.shrink} for stage in STAGES],
        "trained": runs,
        "curve": [line for line in lines if "loss" not in line or line["step"] % 250 == 0],
    }


def _numbers(facts: dict[str, str]) -> dict[str, float]:
    return {name: float(value) for name, value in facts.items()}


def sheet(pipeline: PixArtSigmaPipeline, path: Path) -> None:
    """Write the first 40 images of the held-out list as the sample sheet."""
    save_sheet(draw(pipeline, [entry.prompt for entry in prompts("held_out")[:40]], seed=1), path)


def main() -> None:
    """Export the newest weights into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--judged", action="store_true")
    args = parser.parse_args()
    pipeline = trained_pipeline(args.work)
    pipeline = save_pipeline(pipeline, args.folder / "weights" / "pipeline")
    sheet(pipeline, args.folder / "samples.png")
    quality = {"quality": judged(pipeline, args.work)} if args.judged else {}
    write_card(args.folder, {**card(pipeline, args.work), **quality})


if __name__ == "__main__":
    main()
