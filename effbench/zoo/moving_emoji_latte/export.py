"""From the newest EMA to what ships: a diffusers folder in fp16, the sample sheet and the card. Runs at any time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from effbench.zoo.checkpoints import begun_from, facts_of, load_ema
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.curve import save_sheet
from effbench.zoo.emoji_pixart.denoiser import COARSE
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.moving_emoji.compose import SIDE
from effbench.zoo.moving_emoji.prompts import entries
from effbench.zoo.moving_emoji_latte.curve import LISTS, accuracy, trained_judge
from effbench.zoo.moving_emoji_latte.models import build_denoiser
from effbench.zoo.moving_emoji_latte.sampling import GUIDANCE, STEPS, assemble, draw
from effbench.zoo.moving_emoji_latte.shipped import START
from effbench.zoo.moving_emoji_latte.train import BATCH, CAPTION_DROPOUT, PLAN
from effbench.zoo.shipping import curve_of, parameters_of, save_pipeline, share_text, write_card, write_quality

if TYPE_CHECKING:
    from diffusers import LattePipeline

FOLDER = Path(__file__).parent
"""Where the weights, their card and their pictures stand: beside the recipe."""
SHEET_SEED = 2
"""Of the sheet's noise; any would do."""
NAMES = {"held_out": "unseen combinations", "evaluation": "seen combinations, other sentences"}
"""List of prompts -> what the card calls it."""


def trained_pipeline(work: Path) -> LattePipeline:
    """Return the pipeline of the last checkpoint's EMA."""
    denoiser, autoencoder = build_denoiser(), build_autoencoder()
    load_ema(work / f"{PLAN.name}.checkpoint.safetensors", denoiser)
    autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))
    return assemble(denoiser, autoencoder)


def judged(pipeline: LattePipeline, work: Path) -> dict[str, dict[str, float]]:
    """Return list -> accuracy of emoji and direction, on noise that no look of the training used."""
    judge = trained_judge(work)
    found = {}
    for name in LISTS:
        rows = entries(name)
        videos = draw(pipeline, [prompt for _, prompt, _ in rows], seed=SHEET_SEED)
        found[name] = accuracy(videos, [motion for _, _, motion in rows], judge)
    return found


def main() -> None:
    """Export the newest weights into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    pipeline: Any = save_pipeline(trained_pipeline(args.work), args.folder / "weights" / "pipeline")
    rows = entries("held_out")[:12]
    videos = draw(pipeline, [prompt for _, prompt, _ in rows], seed=SHEET_SEED)
    save_sheet(videos.flatten(0, 1), args.folder / "samples.png", columns=8, zoom=3)
    quality = judged(pipeline, args.work)
    facts = facts_of(args.work / f"{PLAN.name}.checkpoint.safetensors")
    parts = {"transformer": pipeline.transformer, "text_encoder": pipeline.text_encoder, "vae": pipeline.vae}
    card = {
        "id": "zoo:moving-emoji-latte",
        "pipeline": "LattePipeline",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": "data_manifests/emoji_scenes.yaml (videos composed from real Noto emoji)",
        "recipe": "make zoo-moving-emoji-latte",
        "judge": "zoo:moving-emoji-judge",
        "seed": world().seed,
        "sampler": {"steps": STEPS, "guidance": GUIDANCE},
        "size": [SIDE, SIDE],
        "parameters": {name: parameters_of(part) for name, part in parts.items()},
        "begun_from": begun_from(args.work / START, f"emoji-pixart, stage {COARSE.plan.name}"),
        "autoencoder": {k: float(v) for k, v in facts_of(args.work / "autoencoder.safetensors").items()},
        "plan": {**PLAN._asdict(), "batch": BATCH, "caption_dropout": CAPTION_DROPOUT},
        "trained": {name: float(value) for name, value in facts.items()},
        "quality": quality,
        "curve": [line for line in curve_of(args.work, (PLAN.name,)) if "loss" not in line or line["step"] % 200 == 0],
    }
    write_card(args.folder, card)
    write_quality(
        args.folder,
        {
            f"{what} right, {NAMES[name]} ({len(entries(name))} videos, {STEPS} steps)": share_text(
                share, len(entries(name))
            )
            for name, shares in quality.items()
            for what, share in shares.items()
        },
    )


if __name__ == "__main__":
    main()
