"""From what ships back to what the recipe works with, so that a training can go on without the one before it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from effbench import zoo
from effbench.zoo.checkpoints import save_atomically, save_start
from effbench.zoo.flow import FlowDenoiser

START = "shipped.start.safetensors"
"""Parameters that ship, in the working folder of a training that goes on from them."""


def unpack(work: Path) -> Path:
    """Write autoencoder, judge and denoiser of the package into the work folder and return the denoiser's file.

    Files that are there already stay, except for the denoiser's.
    """
    from diffusers import PixArtSigmaPipeline

    model = zoo.find("zoo:emoji-pixart")
    pipeline = PixArtSigmaPipeline.from_pretrained(model.weights, dtype=torch.float32, local_files_only=True)
    psnr_db = {"held_out_psnr_db": str(model.card["autoencoder"]["held_out_psnr_db"])}
    put_unless_there(pipeline.vae.state_dict(), work / "autoencoder.safetensors", psnr_db)
    put_judge("zoo:emoji-judge", "encoder.safetensors", work / "judge.safetensors")
    path = work / START
    save_start(path, FlowDenoiser(pipeline.text_encoder, pipeline.transformer), {"begun_from": model.name})
    return path


def put_judge(name: str, file: str, path: Path) -> None:
    """Write a shipped judge in float32 where the recipe looks for it."""
    judge = zoo.find(name)
    weights = load_file(judge.judge / file)
    weights = {key: w.float() if w.is_floating_point() else w for key, w in weights.items()}
    put_unless_there(weights, path, {key: str(value) for key, value in judge.card["held_out"].items()})


def put_unless_there(tensors: dict[str, torch.Tensor], path: Path, facts: dict[str, str]) -> None:
    """Write a file of a recipe that is not there yet."""
    if not path.exists():
        save_atomically(tensors, path, facts)
