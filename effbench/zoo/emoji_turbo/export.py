"""From the newest EMA to what ships: a diffusers folder in fp16, the sample sheet and the card. Runs at any time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file

from effbench.zoo.checkpoints import facts_of, load_ema
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.curve import LISTS, accuracy, save_sheet, trained_judge
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.emoji_turbo.distil import GUIDANCE, STEPS
from effbench.zoo.emoji_turbo.models import build_denoiser
from effbench.zoo.emoji_turbo.sampling import assemble, draw
from effbench.zoo.emoji_turbo.train import BATCH, CAPTION_DROPOUT, STUDENT, TEACHER, TEACHER_STEPS
from effbench.zoo.shipping import curve_of, parameters_of, save_pipeline, share_text, write_card, write_quality

if TYPE_CHECKING:
    from diffusers import StableDiffusionXLPipeline

FOLDER = Path(__file__).parent
"""Where the weights, their card and their pictures stand: beside the recipe."""
SEED = 2
"""Of the sheet's noise, as that of ``emoji_pixart``, so that sheets can be compared."""


def trained(work: Path, stage: str, solver_order: int) -> StableDiffusionXLPipeline:
    """Return the pipeline of a stage's last checkpoint's EMA."""
    denoiser, autoencoder = build_denoiser(), build_autoencoder()
    load_ema(work / f"{stage}.checkpoint.safetensors", denoiser)
    autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))
    return assemble(denoiser, autoencoder, solver_order)


def judged(student: Any, teacher: Any, work: Path) -> dict[str, float]:
    """Return the right-among-20 of both on both lists, on noise that no look of a training used."""
    judge, found = trained_judge(work), {}
    for name in LISTS:
        words = [entry.prompt for entry in prompts(name)]
        for steps in (1, 2, STEPS):
            found[f"{name}, {steps} steps"] = accuracy(draw(student, words, SEED, steps), name, judge)
        images = draw(teacher, words, SEED, TEACHER_STEPS, GUIDANCE)
        found[f"{name}, teacher, {TEACHER_STEPS} guided steps"] = accuracy(images, name, judge)
    return found


def main() -> None:
    """Export the newest student into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    student = save_pipeline(trained(args.work, STUDENT.name, 1), args.folder / "weights" / "pipeline")
    words = [entry.prompt for entry in prompts("held_out")[:40]]
    save_sheet(draw(student, words, seed=1), args.folder / "samples.png")
    quality = judged(student, trained(args.work, TEACHER.name, 2), args.work)
    parts = {"unet": student.unet, "text_encoder": student.text_encoder, "text_encoder_2": student.text_encoder_2}
    plans = {plan.name: plan for plan in (TEACHER, STUDENT)}
    card = {
        "id": "zoo:emoji-turbo",
        "pipeline": "StableDiffusionXLPipeline",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": "data_manifests/emoji_scenes.yaml (scenes composed from real Noto emoji)",
        "recipe": "make zoo-emoji-turbo",
        "judge": "zoo:emoji-judge",
        "seed": world().seed,
        "sampler": {"steps": STEPS, "guidance": 1.0},
        "parameters": {name: parameters_of(part) for name, part in parts.items()},
        "stages": [{**plan._asdict(), "batch": BATCH} for plan in plans.values()],
        "caption_dropout": CAPTION_DROPOUT,
        "trained": {
            n: {k: float(v) for k, v in facts_of(args.work / f"{n}.checkpoint.safetensors").items()} for n in plans
        },
        "quality": quality,
        "curve": [line for line in curve_of(args.work, tuple(plans)) if line["step"] % 250 == 0 or "loss" not in line],
    }
    write_card(args.folder, card)
    write_quality(
        args.folder,
        {f"right among 20, {what}": share_text(share, len(prompts("held_out"))) for what, share in quality.items()},
    )


if __name__ == "__main__":
    main()
