"""From training results to what ships: a diffusers folder in fp16, the judge, the sample sheet and the card."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from effbench.zoo.checkpoints import load_ema
from effbench.zoo.digits_pixart.data import load_digits
from effbench.zoo.digits_pixart.models import DigitClassifier, build_autoencoder, train_tokenizer
from effbench.zoo.digits_pixart.train import SEED, STAGES, build_denoiser
from effbench.zoo.flow import sampler
from effbench.zoo.shipping import write_card

if TYPE_CHECKING:
    from diffusers import PixArtSigmaPipeline

FOLDER = Path(__file__).parent
"""Where the weights, their card and their pictures stand: beside the recipe."""


def build_pipeline(work: Path, stage: str) -> PixArtSigmaPipeline:
    """Return the pipeline of a finished stage (or of the EMA in its last checkpoint)."""
    from diffusers import PixArtSigmaPipeline

    denoiser = build_denoiser()
    finished, checkpoint = work / f"{stage}.safetensors", work / f"{stage}.checkpoint.safetensors"
    if finished.exists():
        denoiser.load_state_dict(load_file(finished))
    else:
        load_ema(checkpoint, denoiser)
    autoencoder = build_autoencoder()
    autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))
    return PixArtSigmaPipeline(
        tokenizer=train_tokenizer(),
        text_encoder=denoiser.text_encoder.eval(),
        vae=autoencoder.eval(),
        transformer=denoiser.transformer.eval(),
        scheduler=sampler(),
    )


def export_judge(work: Path, out: Path) -> dict[str, str]:
    """Write classifier and features of the held-out digits; return what the classifier's training recorded of itself."""
    out.mkdir(parents=True, exist_ok=True)
    judge = DigitClassifier()
    judge.load_state_dict(load_file(work / "judge.safetensors"))
    save_file(judge.state_dict(), out / "classifier.safetensors")
    _, held_out = load_digits()
    with torch.no_grad():
        features = judge.eval()(held_out.images)[1]
    save_file({"features": features.contiguous()}, out / "real_features.safetensors")
    with safe_open(work / "judge.safetensors", "pt") as opened:
        return dict(opened.metadata())


def sample_sheet(pipeline: PixArtSigmaPipeline, path: Path, columns: int = 12) -> None:
    """Write a contact sheet: one row per digit, every image of a row from the same evaluation phrasing, other noise."""
    from PIL import Image

    from effbench.zoo.digits_pixart.prompts import phrasings

    pipeline.set_progress_bar_config(disable=True)
    phrasing, rows = phrasings("evaluation")[0], []
    for digit in range(10):
        generator = torch.Generator().manual_seed(digit)
        images = pipeline(
            [phrasing.caption(digit)] * columns,
            num_inference_steps=20,
            guidance_scale=2.5,
            generator=generator,
            use_resolution_binning=False,
            clean_caption=False,
            max_sequence_length=16,
            output_type="pt",
        ).images  # [columns, 1, 32, 32]
        rows.append(torch.cat(list(images[:, 0]), dim=1))
    sheet = torch.cat(rows, dim=0).mul(255).round().byte().numpy()
    Image.fromarray(sheet).resize((sheet.shape[1] * 2, sheet.shape[0] * 2), Image.Resampling.NEAREST).save(path)


def main() -> None:
    """Export a finished training into the package."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/digits-pixart"))
    parser.add_argument("--stage", default=STAGES[-1].name)
    args = parser.parse_args()
    pipeline = build_pipeline(args.work, args.stage)
    sample_sheet(pipeline, FOLDER / "samples.png")
    pipeline.to(torch.float16).save_pretrained(FOLDER / "weights" / "pipeline", safe_serialization=True)
    judge_facts = export_judge(args.work, FOLDER / "weights" / "judge")
    with safe_open(args.work / "autoencoder.safetensors", "pt") as opened:
        autoencoder_facts = dict(opened.metadata())
    curve = [json.loads(line) for line in (args.work / "curve.jsonl").read_text("utf-8").splitlines()]
    kept = [line for i, line in enumerate(curve) if i % 5 == 4 or i == len(curve) - 1]
    card = {
        "id": "zoo:digits-pixart",
        "pipeline": "PixArtSigmaPipeline",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": "data_manifests/digits.yaml (real handwritten digits, BSD-3-Clause package)",
        "recipe": "make zoo-digits-pixart",
        "seed": SEED,
        "stages": [stage._asdict() for stage in STAGES],
        "judge_held_out_accuracy": float(judge_facts["held_out_accuracy"]),
        "autoencoder_held_out_psnr_db": float(autoencoder_facts["held_out_psnr_db"]),
        "trained_steps": {stage.name: stage.steps for stage in STAGES},
    }
    write_card(FOLDER, {**card, "curve": kept})


if __name__ == "__main__":
    main()
