"""The recipe of ``emoji-pixart``: autoencoder, judge, then the denoiser at 16 and at 64 tokens; resumable at any point.

Needs the archive of ``npm pack emoji-datasource-google@16.0.0`` in the work folder. Each stage goes on from its last
checkpoint and is skipped when it is complete; everything is fp32 on the CPU, where bf16 is 5-11 times slower.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from effbench.zoo.checkpoints import facts_of
from effbench.zoo.emoji_judge.train import train_judge
from effbench.zoo.emoji_pixart.autoencoder import train_autoencoder
from effbench.zoo.emoji_pixart.denoiser import STAGES, train_denoiser
from effbench.zoo.emoji_pixart.shipped import unpack
from effbench.zoo.emoji_scenes.compose import Composer
from effbench.zoo.emoji_scenes.concepts import load_pictures


def main() -> None:
    """Run all stages that are not finished yet."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--from-shipped", action="store_true", help="train on from the weights in the package instead of from nothing"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    composer = Composer(load_pictures(args.work))
    previous = unpack(args.work) if args.from_shipped else None
    if not (args.work / "autoencoder.safetensors").exists():
        train_autoencoder(composer, args.work)
    if not (args.work / "judge.safetensors").exists():
        train_judge(composer, args.work)
    for stage in STAGES if previous is None else STAGES[-1:]:
        checkpoint = args.work / f"{stage.plan.name}.checkpoint.safetensors"
        if not checkpoint.exists() or int(facts_of(checkpoint)["step"]) < stage.plan.steps:
            train_denoiser(composer, args.work, stage, previous)
        previous = checkpoint


if __name__ == "__main__":
    main()
