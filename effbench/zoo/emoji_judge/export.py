"""From a trained judge to what ships: encoder and tokenizer, features of real scenes, the card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from effbench.zoo.checkpoints import facts_of
from effbench.zoo.emoji_judge.models import DualEncoder
from effbench.zoo.emoji_judge.scoring import ImageTextScorer
from effbench.zoo.emoji_judge.train import BATCH, HARD, PLAN
from effbench.zoo.emoji_scenes.compose import Composer, to_tensor
from effbench.zoo.emoji_scenes.concepts import load_pictures, world
from effbench.zoo.emoji_scenes.splits import draw_scene
from effbench.zoo.emoji_scenes.tokens import tokenizer
from effbench.zoo.shipping import curve_of, parameters_of, same_in_half, save_half, write_card, write_quality

FOLDER = Path(__file__).parent
"""Where the weights, their card and their pictures stand: beside the recipe."""
REAL_SCENES = 1000
"""Scenes that distances compare with."""
SAID = {
    "auc": "AUC, matched against mismatched pairs (half other sentences, half nearly true ones)",
    "auc_other": "AUC, against other sentences",
    "auc_nearly_true": "AUC, against nearly true sentences",
    "first_among_20": "right sentence first among 20",
    "retrieval_at_1": "retrieval@1 among 1,000 sentences",
    "unseen_auc": "AUC on scenes of twelve concepts that no training shows (no target)",
}
"""Measures of held-out combinations -> how the README puts them."""


def export(encoder: DualEncoder, real: torch.Tensor, out: Path) -> None:
    """Write encoder, tokenizer and the features of real images [N, 3, 64, 64] in [0, 1] into a folder."""
    save_half(encoder, out / "encoder.safetensors")
    tokenizer().save_pretrained(out / "tokenizer")
    features = ImageTextScorer(same_in_half(encoder), tokenizer()).images(real)[1]  # type: ignore[arg-type]
    save_file({"features": torch.from_numpy(features).half()}, out / "real_features.safetensors")


def real_scenes(composer: Composer, count: int = REAL_SCENES) -> torch.Tensor:
    """Return real images [N, 3, 64, 64] in [0, 1] to compare with: half of evaluation sentences, half of held-out ones."""
    rng = np.random.default_rng((world().seed, 9))
    scenes = [draw_scene(rng, ("evaluation", "held-out")[i % 2]) for i in range(count)]
    return to_tensor(composer.paint(scenes, rng)) / 2 + 0.5


def card(encoder: DualEncoder, measures: dict[str, str], work: Path) -> dict[str, Any]:
    """Return what the card says before the hashes."""
    return {
        "id": "zoo:emoji-judge",
        "kind": "judge",
        "licence": "Apache-2.0 (weights and recipe)",
        "data": "data_manifests/emoji_scenes.yaml (scenes composed from real Noto emoji)",
        "recipe": "make zoo-emoji-judge",
        "seed": world().seed,
        "parameters": parameters_of(encoder),
        "plan": {**PLAN._asdict(), "batch": BATCH, "nearly_true_per_image": HARD},
        "trained_scenes": PLAN.steps * BATCH,
        "held_out": {name: float(value) for name, value in measures.items()},
        "curve": [line for line in curve_of(work, (PLAN.name,)) if line["step"] % 200 == 0],
    }


def main() -> None:
    """Export a finished judge into the package, or into another folder."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    encoder = DualEncoder(len(tokenizer()))
    encoder.load_state_dict(load_file(args.work / "judge.safetensors"))
    export(encoder.eval(), real_scenes(Composer(load_pictures(args.work))), args.folder / "weights" / "judge")
    facts = facts_of(args.work / "judge.safetensors")
    write_card(args.folder, card(encoder, facts, args.work))
    write_quality(args.folder, {words: f"{float(facts[name]):.3f}" for name, words in SAID.items()})


if __name__ == "__main__":
    main()
