"""The recipe of ``digits-pixart``: judge, autoencoder, then the denoiser at 64 and at 256 tokens; resumable at any point.

Run by ``make zoo-digits-pixart``. Each stage leaves one safetensors file in the work folder; a stage whose file is
complete is skipped, and the denoiser goes on from its last checkpoint. Everything is fp32 on the CPU (bf16 is
5-11 times slower there).

The denoiser is trained by flow matching (``effbench.zoo.flow``); captions are dropped in a tenth of the samples for
classifier-free guidance. The first stage runs on 16x16 pixel digits (64 tokens, four times cheaper a step); PixArt's
sine-cosine positions are relative to the model's grid, so the second stage goes on from its weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from effbench.zoo.checkpoints import save_atomically
from effbench.zoo.digits_pixart.data import Digits, load_digits
from effbench.zoo.digits_pixart.models import (
    MAX_TOKENS,
    DigitClassifier,
    build_autoencoder,
    build_text_encoder,
    build_transformer,
    train_tokenizer,
)
from effbench.zoo.digits_pixart.prompts import phrasings
from effbench.zoo.fitting import TrainingPlan, fit
from effbench.zoo.flow import FlowDenoiser, flow_loss

SEED = 20261122
"""A date; any would do, and the shipped weights have this one."""
CAPTION_DROPOUT = 0.1
"""Share of captions left out, so that guidance has an unconditional half: 0.1 as in arXiv 2207.12598."""


class DigitsStage(NamedTuple):
    """One stage of denoiser training."""

    name: str
    image_size: int
    batch: int
    steps: int
    lr: float


STAGES = (DigitsStage("coarse", 16, 64, 1500, 1e-3), DigitsStage("full", 32, 32, 2200, 7e-4))
"""Half resolution first, where a step costs a quarter, then full. As the shipped weights were trained; card.yaml says
what came of it.
"""


def train_judge(train: Digits, held_out: Digits, out: Path) -> None:
    """Train the classifier for 12 epochs with small shifts and write it with its held-out accuracy in the metadata."""
    torch.manual_seed(SEED)
    judge, generator = DigitClassifier(), torch.Generator().manual_seed(SEED)
    epochs, batch = 12, 64
    steps = epochs * (len(train.labels) // batch)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        ids = torch.randint(len(train.labels), (batch,), generator=generator)
        loss = nn.functional.cross_entropy(judge(shifted(train.images[ids], generator))[0], train.labels[ids])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    judge.eval()
    with torch.no_grad():
        accuracy = (judge(held_out.images)[0].argmax(1) == held_out.labels).double().mean().item()
    print(f"judge: held-out accuracy {accuracy:.4f} on {len(held_out.labels)} digits", flush=True)
    save_file(judge.state_dict(), out, metadata={"held_out_accuracy": f"{accuracy:.4f}"})


def shifted(images: torch.Tensor, generator: torch.Generator, reach: int = 2) -> torch.Tensor:
    """Return the batch [B, 1, H, W] moved by up to ``reach`` pixels each way, the same shift for the whole batch."""
    dy, dx = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    return torch.roll(images, (dy, dx), dims=(2, 3))  # the margin of a digit is empty, so rolling moves no ink around


def train_autoencoder(train: Digits, held_out: Digits, out: Path, steps: int = 2000) -> None:
    """Train the KL autoencoder at both image sizes, then fold the latent mean and spread into its 1x1 convolutions."""
    torch.manual_seed(SEED + 1)
    model, generator = build_autoencoder(), torch.Generator().manual_seed(SEED + 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in range(steps):
        ids = torch.randint(len(train.labels), (32,), generator=generator)
        images = shifted(train.images[ids], generator)
        if step % 4 == 0:
            images = nn.functional.avg_pool2d(images, 2)
        posterior = model.encode(images).latent_dist
        restored = model.decode(posterior.sample(generator=generator)).sample
        loss = nn.functional.mse_loss(restored, images) + 1e-4 * posterior.kl().mean() / images[0].numel()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    model.eval()
    standardise_latents(model, train.images)
    with torch.no_grad():
        restored = model.decode(model.encode(held_out.images).latent_dist.mode()).sample
        mse = nn.functional.mse_loss(restored.clamp(-1, 1), held_out.images).item()
    psnr_db = 10 * torch.log10(torch.tensor(4.0 / mse)).item()
    print(f"autoencoder: held-out PSNR {psnr_db:.2f} dB", flush=True)
    save_file(model.state_dict(), out, metadata={"held_out_psnr_db": f"{psnr_db:.2f}"})


@torch.no_grad()
def standardise_latents(model: Any, images: torch.Tensor) -> None:
    """Make the latents of ``images`` zero-mean and unit-variance per channel without changing any reconstruction."""
    latents = model.encode(images).latent_dist.mode()  # [N, C, h, w]
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    quant, post = model.quant_conv, model.post_quant_conv
    channels = len(mean)
    quant.weight[:channels].div_(std[:, None, None, None])
    quant.bias[:channels].sub_(mean).div_(std)
    quant.bias[channels:].sub_(2 * std.log())  # the other half holds the log-variance
    post.bias.add_(post.weight[:, :, 0, 0] @ mean)
    post.weight.mul_(std[None, :, None, None])


def build_denoiser() -> FlowDenoiser:
    """Return text encoder and transformer, untrained."""
    return FlowDenoiser(build_text_encoder(len(train_tokenizer())), build_transformer())


def caption_tokens() -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids, mask), each [P + 1, 10, L]: training phrasing x digit, the last row being the dropped caption."""
    tokenizer, train = train_tokenizer(), phrasings("train")
    captions = [p.caption(digit) for p in train for digit in range(10)] + [""] * 10
    tokens = tokenizer(captions, padding="max_length", max_length=MAX_TOKENS, truncation=True, return_tensors="pt")
    shape = (len(train) + 1, 10, MAX_TOKENS)
    return tokens.input_ids.view(shape), tokens.attention_mask.view(shape)


def train_denoiser(train: Digits, work: Path, stage: DigitsStage, start_from: Path | None) -> None:
    """Run one stage and write ``<work>/<stage>.safetensors`` with the EMA weights."""
    torch.manual_seed(SEED + 2)
    autoencoder = build_autoencoder().eval()
    autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))
    images = train.images if stage.image_size == 32 else nn.functional.avg_pool2d(train.images, 2)
    ids, mask = caption_tokens()
    model = build_denoiser()
    if start_from is not None:
        model.load_state_dict(load_file(start_from))

    def loss_of(step: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(hash((SEED, stage.image_size, step)) % 2**63)
        rows = torch.randint(len(train.labels), (stage.batch,), generator=generator)
        labels = train.labels[rows]
        with torch.no_grad():
            x_0 = autoencoder.encode(shifted(images[rows], generator, reach=1)).latent_dist.mode()
        phrasing = torch.randint(len(ids) - 1, (stage.batch,), generator=generator)
        dropped = torch.rand(stage.batch, generator=generator) < CAPTION_DROPOUT
        phrasing[dropped] = len(ids) - 1
        return flow_loss(model, x_0, ids[phrasing, labels], mask[phrasing, labels], generator)

    plan = TrainingPlan(stage.name, stage.steps, stage.lr, floor=0.05)
    ema = fit(model, loss_of, plan, work)
    # T5 shares one embedding under two names; the copy under the second name is not a parameter of its own.
    save_atomically({**model.state_dict(), **ema}, work / f"{stage.name}.safetensors", {"steps": str(plan.steps)})


def main() -> None:
    """Run all stages that are not finished yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/digits-pixart"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    train, held_out = load_digits()
    if not (args.work / "judge.safetensors").exists():
        train_judge(train, held_out, args.work / "judge.safetensors")
    if not (args.work / "autoencoder.safetensors").exists():
        train_autoencoder(train, held_out, args.work / "autoencoder.safetensors")
    previous = None
    for stage in STAGES:
        done = args.work / f"{stage.name}.safetensors"
        if not done.exists():
            train_denoiser(train, args.work, stage, previous)
        previous = done


if __name__ == "__main__":
    main()
