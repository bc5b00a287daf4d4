"""From the newest EMA to what ships: a diffusers folder in fp16, the sample sheet and the card. Runs at any time.

A training that has stopped early is exported as it stands; the card says after how many steps of each stage. With
``--judged`` the shipped weights are judged too (minutes), at 20 and at 5 steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from effbench.zoo.checkpoints import begun_from, facts_of, load_ema
from effbench.zoo.emoji_pixart.autoencoder import PLAN as AUTOENCODER_PLAN
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.curve import LISTS, accuracy, save_sheet, trained_judge
from effbench.zoo.emoji_pixart.denoiser import CAPTION_DROPOUT, STAGES
from effbench.zoo.emoji_pixart.models import build_denoiser
from effbench.zoo.emoji_pixart.sampling import GUIDANCE, STEPS, assemble, draw
from effbench.zoo.emoji_pixart.shipped import START
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.shipping import curve_of, parameters_of, save_pipeline, share_text, write_card, write_quality

if TYPE_CHECKING:
    from diffusers import PixArtSigmaPipeline

FOLDER = Path(__file__).parent
"""Where the weights, their card and their pictures stand: beside the recipe."""
SEED, JUDGED_STEPS = 2, (20, 10, 5, 2)
"""Of the sheet's noise, another one than the curve's; steps at which quality is judged, from full to hardly any."""
NAMES = {"held_out": "unseen combinations", "evaluation": "seen combinations, other sentences"}
"""List of prompts -> what the card calls it."""


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


def judged(pipeline: PixArtSigmaPipeline, work: Path) -> dict[str, dict[int, float]]:
    """Return list -> steps -> right-among-20, every prompt once, on noise that no look of the training used."""
    judge, found = trained_judge(work), {}
    for name in LISTS:
        sentences = [entry.prompt for entry in prompts(name)]
        found[name] = {
            steps: round(accuracy(draw(pipeline, sentences, SEED, steps), name, judge), 4) for steps in JUDGED_STEPS
        }
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
        "begun_from": begun_from(work / START, "nothing"),
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
    quality = judged(pipeline, args.work) if args.judged else {}
    write_card(args.folder, {**card(pipeline, args.work), "quality": quality})
    rows = {
        f"right among 20, {NAMES[name]}, {steps} steps": share_text(share, len(prompts(name)))
        for name, shares in quality.items()
        for steps, share in shares.items()
    }
    psnr_db = float(facts_of(args.work / "autoencoder.safetensors")["held_out_psnr_db"])
    write_quality(args.folder, {"autoencoder, unseen combinations": f"{psnr_db:.1f} dB", **rows})


if __name__ == "__main__":
    main()
