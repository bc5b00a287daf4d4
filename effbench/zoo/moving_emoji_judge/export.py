"""From a trained judge of videos to what ships: the network, features of real videos, the card."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from effbench.zoo.checkpoints import facts_of
from effbench.zoo.emoji_scenes.compose import Composer
from effbench.zoo.emoji_scenes.concepts import load_pictures, world
from effbench.zoo.moving_emoji.compose import film, to_tensor
from effbench.zoo.moving_emoji.language import draw_motion
from effbench.zoo.moving_emoji_judge.models import VideoJudge
from effbench.zoo.moving_emoji_judge.scoring import FILE, VideoScorer
from effbench.zoo.moving_emoji_judge.train import BATCH, PLAN
from effbench.zoo.shipping import curve_of, parameters_of, same_in_half, save_half, write_card, write_quality

FOLDER = Path(__file__).parent
"""Where the weights, their card and their pictures stand: beside the recipe."""
REAL_VIDEOS = 600
"""Videos that distances compare with."""
SAID = {"object_accuracy": "right emoji among 124", "direction_accuracy": "right direction among four"}
"""Name of a score -> what the card says of it."""


def export(net: VideoJudge, real: torch.Tensor, out: Path) -> None:
    """Write the network and the features of real videos [N, F, 3, H, W] in [0, 1] into a folder."""
    save_half(net, out / FILE)
    features = VideoScorer(same_in_half(net)).see(real).features  # type: ignore[arg-type]
    save_file({"features": torch.from_numpy(features).half()}, out / "real_features.safetensors")


def real_videos(composer: Composer, count: int = REAL_VIDEOS) -> torch.Tensor:
    """Return real videos [N, F, 3, H, W] in [0, 1]: half of evaluation sentences, half of held-out ones."""
    rng = np.random.default_rng((world().seed, 27))
    motions = [draw_motion(rng, ("evaluation", "held_out")[i % 2]) for i in range(count)]
    return to_tensor(film(composer, motions, rng)) / 2 + 0.5


def main() -> None:
    """Export a finished judge into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    net, facts = VideoJudge(world().n_seen), facts_of(args.work / "moving-judge.safetensors")
    net.load_state_dict(load_file(args.work / "moving-judge.safetensors"))
    export(net.eval(), real_videos(Composer(load_pictures(args.work))), args.folder / "weights" / "judge")
    card = {
        "id": "zoo:moving-emoji-judge",
        "kind": "judge",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": "data_manifests/emoji_scenes.yaml (videos composed from real Noto emoji)",
        "recipe": "make zoo-moving-emoji-latte",
        "seed": world().seed,
        "parameters": parameters_of(net),
        "plan": {**PLAN._asdict(), "batch": BATCH},
        "held_out": {name: float(value) for name, value in facts.items()},
        "curve": [line for line in curve_of(args.work, (PLAN.name,)) if line["step"] % 150 == 0],
    }
    write_card(args.folder, card)
    write_quality(args.folder, {words: f"{float(facts[name]):.3f}" for name, words in SAID.items()})


if __name__ == "__main__":
    main()
