"""The recipe of ``digits-dit``: the denoiser alone, on the latents of ``digits-pixart``'s shipped autoencoder; resumable.

``DiTPipeline`` names 1000 as the label of no class, so the tables have ImageNet's size and ten rows of them are used. The
library drops labels in every block on its own, which teaches no block what the others were told; they are dropped here, once
per sample.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effbench import zoo
from effbench.zoo.digits_pixart.data import load_digits
from effbench.zoo.digits_pixart.models import LATENT_CHANNELS, LATENT_SIZE
from effbench.zoo.digits_pixart.train import shifted
from effbench.zoo.fitting import TrainingPlan, fit
from effbench.zoo.flow import flow_batch

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, DiTTransformer2DModel

SEED, NO_CLASS = 20261125, 1000
"""A date; and DiT's class for "none", the first after ImageNet's thousand."""
PLAN = TrainingPlan("dit", steps=1600, lr=1e-3, warmup=100, decay_share=0.4, floor=0.05, ema_decay=0.998)
"""As the shipped weights were trained; card.yaml says what came of it."""
BATCH, LABEL_DROPOUT = 64, 0.1
"""Images a step, and the share of labels dropped, 0.1 as in classifier-free guidance (arXiv 2207.12598)."""


def build_transformer(heads: int = 4, layers: int = 6) -> DiTTransformer2DModel:
    """Return the DiT denoiser: blocks of width 32 x heads over 64 tokens of latents [B, 4, 16, 16].

    As in the published model the output has twice the channels; the second half, a variance there, is not trained here.
    """
    from diffusers import DiTTransformer2DModel
    from diffusers.models.embeddings import LabelEmbedding

    model = DiTTransformer2DModel(
        num_attention_heads=heads,
        attention_head_dim=32,
        in_channels=LATENT_CHANNELS,
        out_channels=2 * LATENT_CHANNELS,
        num_layers=layers,
        sample_size=LATENT_SIZE,
        patch_size=2,
        num_embeds_ada_norm=NO_CLASS,
    )
    for module in model.modules():
        if isinstance(module, LabelEmbedding):
            module.dropout_prob = 0.0
    return model


def shipped_autoencoder() -> AutoencoderKL:
    """Return the autoencoder of ``zoo:digits-pixart`` in float32."""
    from diffusers import AutoencoderKL

    folder = zoo.find("zoo:digits-pixart").weights
    vae: Any = AutoencoderKL.from_pretrained(folder, subfolder="vae", dtype=torch.float32, local_files_only=True)
    return vae.eval()


def train_denoiser(work: Path) -> None:
    """Train to the end of the plan; the last checkpoint stays, whose EMA is the result."""
    torch.manual_seed(SEED)
    digits, _ = load_digits()
    autoencoder, model = shipped_autoencoder(), build_transformer()

    def loss_of(step: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(SEED * 100_003 + step)
        rows = torch.randint(len(digits.labels), (BATCH,), generator=generator)
        with torch.no_grad():
            x_0 = autoencoder.encode(shifted(digits.images[rows], generator, reach=1)).latent_dist.mode()
        labels = digits.labels[rows].clone()
        labels[torch.rand(BATCH, generator=generator) < LABEL_DROPOUT] = NO_CLASS
        mixed, s, velocity = flow_batch(x_0, generator)
        found = model(mixed, timestep=s * 1000, class_labels=labels, return_dict=False)[0]
        return nn.functional.mse_loss(found[:, :LATENT_CHANNELS], velocity)

    fit(model, loss_of, PLAN, work)


def main() -> None:
    """Train, from the last checkpoint if there is one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/digits-dit"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    train_denoiser(args.work)


if __name__ == "__main__":
    main()
