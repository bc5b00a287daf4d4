"""From the newest EMA to what ships: a diffusers folder in fp16, the sample sheet and the card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from effbench.zoo.checkpoints import load_ema
from effbench.zoo.digits_dit.train import BATCH, LABEL_DROPOUT, PLAN, SEED, build_transformer, shipped_autoencoder
from effbench.zoo.emoji_pixart.curve import save_sheet
from effbench.zoo.flow import sampler
from effbench.zoo.shipping import curve_of, parameters_of, save_pipeline, write_card

if TYPE_CHECKING:
    from diffusers import DiTPipeline

FOLDER = Path(__file__).parent
"""Where the weights, their card and their pictures stand: beside the recipe."""
STEPS, GUIDANCE, COLUMNS = 20, 2.5, 12
"""Of the sampler, guidance scale, and columns of the sheet of samples."""


def build_pipeline(work: Path) -> tuple[DiTPipeline, dict[str, str]]:
    """Return the pipeline of the last checkpoint's EMA, and the checkpoint's facts."""
    from diffusers import DiTPipeline

    transformer = build_transformer()
    facts = load_ema(work / f"{PLAN.name}.checkpoint.safetensors", transformer)
    names = {digit: str(digit) for digit in range(10)}
    return DiTPipeline(transformer.eval(), shipped_autoencoder(), sampler(), id2label=names), facts


def sample_sheet(pipeline: DiTPipeline, path: Path) -> None:
    """Write a contact sheet: one row per digit."""
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        class_labels=[digit for digit in range(10) for _ in range(COLUMNS)],
        guidance_scale=GUIDANCE,
        generator=torch.Generator().manual_seed(1),
        num_inference_steps=STEPS,
        output_type="pt",
    ).images
    save_sheet(images.expand(-1, 3, -1, -1), path, columns=COLUMNS)


def main() -> None:
    """Export into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/digits-dit"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    pipeline, facts = build_pipeline(args.work)
    sample_sheet(pipeline, args.folder / "samples.png")
    card = {
        "id": "zoo:digits-dit",
        "pipeline": "DiTPipeline",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": "data_manifests/digits.yaml (real handwritten digits, BSD-3-Clause package)",
        "recipe": "make zoo-digits-dit",
        "judge": "zoo:digits-pixart",
        "seed": SEED,
        "sampler": {"steps": STEPS, "guidance": GUIDANCE},
        "parameters": parameters_of(pipeline.transformer),
        "plan": {**PLAN._asdict(), "batch": BATCH, "label_dropout": LABEL_DROPOUT},
        "trained_steps": int(facts["step"]),
        "training_s": float(facts["training_s"]),
        "curve": [line for line in curve_of(args.work, (PLAN.name,)) if line["step"] % 250 == 0],
    }
    save_pipeline(pipeline, args.folder / "weights" / "pipeline")
    write_card(args.folder, card)


if __name__ == "__main__":
    main()
