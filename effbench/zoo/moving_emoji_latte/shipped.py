"""From what ships back to what the recipe works with, so that a training can go on without the ones before it."""

from __future__ import annotations

from pathlib import Path

import torch

from effbench import zoo
from effbench.zoo.checkpoints import save_start
from effbench.zoo.emoji_pixart.shipped import put_judge, put_unless_there
from effbench.zoo.moving_emoji_judge.scoring import FILE
from effbench.zoo.moving_emoji_latte.models import VideoDenoiser

START = "moving.start.safetensors"
"""Parameters that ship, in the working folder of a training that goes on from them."""


def unpack(work: Path) -> Path:
    """Write autoencoder, judge and denoiser of the package into the work folder and return the denoiser's file."""
    from diffusers import LattePipeline

    model = zoo.find("zoo:moving-emoji-latte")
    pipeline = LattePipeline.from_pretrained(model.weights, dtype=torch.float32, local_files_only=True)
    psnr_db = {"held_out_psnr_db": str(model.card["autoencoder"]["held_out_psnr_db"])}
    put_unless_there(pipeline.vae.state_dict(), work / "autoencoder.safetensors", psnr_db)
    put_judge("zoo:moving-emoji-judge", FILE, work / "moving-judge.safetensors")
    path = work / START
    save_start(path, VideoDenoiser(pipeline.text_encoder, pipeline.transformer), {"begun_from": model.name})
    return path
