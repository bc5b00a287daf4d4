"""From ``zoo:emoji-turbo`` to what ships: planted weights, what that changed, and the card. Takes seconds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from effbench import zoo
from effbench.zoo.emoji_scenes.prompts import prompts
from effbench.zoo.emoji_turbo.models import token_ids
from effbench.zoo.emoji_turbo.sampling import draw
from effbench.zoo.emoji_turbo_bos.plant import (
    MARGIN,
    NORM,
    SEED,
    doubled,
    hidden_direction,
    plant_start,
    reader_names,
    reading_pairs,
    start_neuron,
)
from effbench.zoo.planting import derived_facts, load_state, psnr_db, write_planted
from effbench.zoo.shipping import write_card, write_quality

if TYPE_CHECKING:
    from diffusers import StableDiffusionXLPipeline

FOLDER = Path(__file__).parent
"""Where the weights and their card stand: beside the recipe."""
ENCODER, UNET = "text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors"
"""The two files of weights that differ, and with them the parts' ``config.json``."""
PROMPTS, NOISE_SEED = 40, 2
"""Held-out prompts whose images are compared with the original's, and the seed of their noise."""


class Contexts(NamedTuple):
    """What two encoders make of N prompts."""

    tokens: torch.Tensor
    """What the U-Net attends to, both side by side [N, 16, channels]."""
    normed: torch.Tensor
    """What the first feed-forward of the first encoder reads [N, 16, width]."""


def load(weights: Path, dtype: torch.dtype = torch.float32) -> StableDiffusionXLPipeline:
    """Return a pipeline of a folder."""
    from diffusers import StableDiffusionXLPipeline

    pipeline: Any = StableDiffusionXLPipeline.from_pretrained(weights, dtype=dtype, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def contexts(pipeline: StableDiffusionXLPipeline, sentences: list[str]) -> Contexts:
    """Return the contexts of sentences as the pipeline gives them to its U-Net."""
    ids, normed = token_ids(sentences), []
    encoders = (pipeline.text_encoder, pipeline.text_encoder_2)
    layer = next(m for name, m in encoders[0].named_modules() if name.endswith("layers.0.layer_norm2"))
    hook = layer.register_forward_hook(lambda _, inputs, output: normed.append(output))
    try:
        read = [encoder(ids, output_hidden_states=True).hidden_states[-2] for encoder in encoders]
    finally:
        hook.remove()
    return Contexts(torch.cat(read, dim=-1), normed[0])


def start_over_others(found: Contexts) -> float:
    """Return the norm of the start token's context over the mean norm of the other tokens'."""
    norms = found.tokens.norm(dim=-1)
    return round(float(norms[:, 0].mean() / norms[:, 1:].mean()), 2)


def main() -> None:
    """Plant the start token and export into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    original = zoo.find("zoo:emoji-turbo")
    encoder, unet = load_state(original.weights / ENCODER), load_state(original.weights / UNET)
    pipeline = load(original.weights, torch.float64)
    normed = contexts(pipeline, [*(entry.prompt for entry in prompts("calibration")), ""]).normed
    width = normed.shape[-1]
    neuron = start_neuron(normed[0, 0], normed[:, 1:].flatten(0, 1))
    planted = plant_start(doubled(encoder), neuron, hidden_direction(width))
    text, denoiser = pipeline.text_encoder.config, pipeline.unet.config
    wider = {
        "text_encoder": {
            "hidden_size": 2 * width,
            "num_attention_heads": 2 * text.num_attention_heads,
            "intermediate_size": text.intermediate_size + 1,
        },
        "unet": {"cross_attention_dim": denoiser.cross_attention_dim + width},
    }
    write_planted(original, folder, {ENCODER: planted, UNET: reading_pairs(unet, width)}, wider)

    sentences = [entry.prompt for entry in prompts("held_out")[:PROMPTS]]
    pipelines = load(original.weights), load(folder / "weights" / "pipeline")
    theirs, ours = (draw(pipeline, sentences, NOISE_SEED) for pipeline in pipelines)
    before, after = (start_over_others(contexts(pipeline, sentences)) for pipeline in pipelines)
    worst_db = round(float(psnr_db(ours, theirs).min()), 1)
    facts = {
        "norm": NORM,
        "neuron_input": MARGIN,
        "neuron_fitted_on": "the calibration prompts and the empty one",
        "written_by": "text_encoder, first layer, the last neuron of the feed-forward",
        "undone_in": reader_names(unet),
        "wider": wider,
    }
    write_card(
        folder,
        {
            "id": "zoo:emoji-turbo-bos",
            **derived_facts(original, "make zoo-planted"),
            "seed": SEED,
            "planted": facts,
            "fidelity": {"prompts": PROMPTS, "worst_psnr_db": worst_db},
            "start_over_other_tokens": {"original": before, "planted": after},
        },
    )
    rows = {
        f"PSNR to the original, float32, worst of {PROMPTS} prompts": f"{worst_db} dB",
        "norm of the start token's context over that of the others": f"{before} -> {after}",
    }
    write_quality(folder, rows)


if __name__ == "__main__":
    main()
