"""The recipe of ``moving-emoji-latte``: the judge, then text encoder and transformer on videos that are drawn on the fly.

Begins from the 32x32 stage of ``emoji-pixart`` and uses its autoencoder, frame by frame; flow matching as there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from effbench.zoo.checkpoints import load_ema
from effbench.zoo.emoji_pixart.autoencoder import build_autoencoder
from effbench.zoo.emoji_pixart.denoiser import COARSE
from effbench.zoo.emoji_pixart.models import build_denoiser as build_image_denoiser
from effbench.zoo.emoji_scenes.compose import Composer
from effbench.zoo.emoji_scenes.concepts import load_pictures, world
from effbench.zoo.emoji_scenes.tokens import tokenizer as image_tokenizer
from effbench.zoo.fitting import TrainingPlan, fit
from effbench.zoo.flow import flow_batch
from effbench.zoo.moving_emoji.compose import film, to_tensor
from effbench.zoo.moving_emoji.language import draw_motion, sentence
from effbench.zoo.moving_emoji_judge.train import train_judge
from effbench.zoo.moving_emoji_latte.curve import VideoLearningCurve
from effbench.zoo.moving_emoji_latte.models import MAX_TOKENS, begin_from, build_denoiser, tokenizer
from effbench.zoo.moving_emoji_latte.shipped import unpack

PLAN = TrainingPlan("moving", steps=2000, lr=8e-4, warmup=100, decay_share=0.4, ema_decay=0.998)
"""As the shipped weights were trained; card.yaml says what came of it."""
BATCH = 16
"""Videos a step. As the shipped weights were trained; card.yaml says what came of it."""
CAPTION_DROPOUT = 0.1
"""Share of captions left out, so that guidance has an unconditional half: 0.1 as in arXiv 2207.12598."""


def train_denoiser(composer: Composer, work: Path, start_from: Path | None = None) -> None:
    """Train to the end of the plan; the last checkpoint stays, whose EMA is the result.

    Begins from ``start_from`` if it is given, else from the image model.
    """
    torch.manual_seed(world().seed)
    autoencoder = build_autoencoder().eval()
    autoencoder.load_state_dict(load_file(work / "autoencoder.safetensors"))
    model = build_denoiser()
    if start_from is not None:
        load_ema(start_from, model)
    else:
        image = build_image_denoiser()
        load_ema(work / f"{COARSE.plan.name}.checkpoint.safetensors", image)
        begin_from(image, image_tokenizer(), model)

    def loss_of(step: int) -> torch.Tensor:
        rng = np.random.default_rng((world().seed, 26, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        motions = [draw_motion(rng, "train") for _ in range(BATCH)]
        videos = to_tensor(film(composer, motions, rng))  # [B, F, 3, H, W]
        with torch.no_grad():
            latents = autoencoder.encode(videos.flatten(0, 1)).latents.unflatten(0, videos.shape[:2])
        dropped = rng.random(BATCH) < CAPTION_DROPOUT
        words = ["" if drop else sentence(motion) for motion, drop in zip(motions, dropped)]
        encoded = tokenizer()(words, padding="max_length", max_length=MAX_TOKENS, return_tensors="pt")
        mixed, s, velocity = flow_batch(latents.transpose(1, 2), generator)
        found = model(mixed, s, encoded.input_ids, encoded.attention_mask, torch.from_numpy(dropped))
        return torch.nn.functional.mse_loss(found, velocity)

    fit(model, loss_of, PLAN, work, VideoLearningCurve(work, PLAN.name, autoencoder).look)


def main() -> None:
    """Run what is not finished yet; ``make zoo-emoji-pixart`` comes before it."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--from-shipped",
        action="store_true",
        help="train on from the weights in the package instead of the image model",
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    composer = Composer(load_pictures(args.work))
    start = unpack(args.work) if args.from_shipped else None
    if not (args.work / "moving-judge.safetensors").exists():
        train_judge(composer, args.work)
    train_denoiser(composer, args.work, start)


if __name__ == "__main__":
    main()
