"""From ``zoo:emoji-pixart`` to what ships: planted weights, what that changed, and the card. Takes seconds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from effbench import zoo
from effbench.zoo.emoji_pixart.sampling import draw
from effbench.zoo.emoji_pixart_outliers.plant import FACTOR, SEED, channels, plant, readers
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.planting import derived_facts, input_maxima, load_state, outlier_ratio, psnr_db, write_planted
from effbench.zoo.shipping import write_card, write_quality

if TYPE_CHECKING:
    from diffusers import PixArtSigmaPipeline

FOLDER = Path(__file__).parent
"""Where the weights and their card stand: beside the recipe."""
FILE = "transformer/diffusion_pytorch_model.safetensors"
"""The one file of the pipeline that differs."""
PROMPTS, NOISE_SEED = 20, 2
"""Held-out prompts whose images are compared with the original's, and the seed of their noise."""
SHOWN = {"self-attention": "attn1.to_q", "feed-forward": "ff.net.0.proj", "keys of the caption": "attn2.to_k"}
"""What a table calls a block's input -> the layer that reads it."""


def load(weights: Path) -> PixArtSigmaPipeline:
    """Return a pipeline of a folder in float32."""
    from diffusers import PixArtSigmaPipeline

    pipeline: Any = PixArtSigmaPipeline.from_pretrained(weights, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn(pipeline: PixArtSigmaPipeline, sentences: list[str]) -> tuple[torch.Tensor, dict[str, list[float]]]:
    """Return the images [N, 3, 64, 64], and input -> its largest over its median channel, least and most of all blocks."""
    blocks = range(len(pipeline.transformer.transformer_blocks))
    names = [f"transformer_blocks.{block}.{layer}" for layer in SHOWN.values() for block in blocks]
    images: list[torch.Tensor] = []
    maxima = input_maxima(pipeline.transformer, names, lambda: images.append(draw(pipeline, sentences, NOISE_SEED)))
    found = {
        what: [round(outlier_ratio(maxima[f"transformer_blocks.{block}.{layer}"]), 1) for block in blocks]
        for what, layer in SHOWN.items()
    }
    return images[0], {what: [min(of_blocks), max(of_blocks)] for what, of_blocks in found.items()}


def main() -> None:
    """Plant the outliers and export into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    original = zoo.find("zoo:emoji-pixart")
    state = load_state(original.weights / FILE)
    adaln, caption = channels(state["caption_projection.linear_2.bias"].shape[0])
    write_planted(original, folder, {FILE: plant(state, adaln, caption)})

    sentences = [entry.prompt for entry in prompts("held_out")[:PROMPTS]]
    theirs, before = drawn(load(original.weights), sentences)
    ours, after = drawn(load(folder / "weights" / "pipeline"), sentences)
    worst_db = round(float(psnr_db(ours, theirs).min()), 1)
    undone = [sorted({name.split(".", 2)[2] for name in names}) for names in readers(state)]
    planted = {
        "factor": FACTOR,
        "adaln": {"channels": adaln, "undone_in_columns_of": undone[0]},
        "caption": {"channels": caption, "undone_in_columns_of": undone[1]},
    }
    write_card(
        folder,
        {
            "id": "zoo:emoji-pixart-outliers",
            **derived_facts(original, "make zoo-planted"),
            "seed": SEED,
            "planted": planted,
            "fidelity": {"prompts": PROMPTS, "worst_psnr_db": worst_db},
            "largest_over_median_channel": {"original": before, "planted": after},
        },
    )
    rows = {
        f"largest over median channel, input of {what}, six blocks": f"{low[0]}-{low[1]} -> {high[0]}-{high[1]}"
        for what, low, high in ((what, before[what], after[what]) for what in SHOWN)
    }
    write_quality(folder, {f"PSNR to the original, float32, worst of {PROMPTS} prompts": f"{worst_db} dB", **rows})


if __name__ == "__main__":
    main()
