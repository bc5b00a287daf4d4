"""The recipe of ``emoji-judge``: contrastive training on scenes drawn on the fly, with sentences that are nearly true.

The loss is CLIP's (Radford et al. 2021) with two changes. Every image also sees ``HARD`` sentences that are wrong about one
thing of it, so that it must read the whole sentence; and pairs that happen to be true although they were not drawn
together are left out. Beside it, a linear layer that is thrown away names emoji and ground from the features.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from effbench.zoo.checkpoints import load_ema, save_atomically
from effbench.zoo.emoji_judge.measure import measure
from effbench.zoo.emoji_judge.models import WIDTH, DualEncoder
from effbench.zoo.emoji_scenes.compose import Composer, to_tensor
from effbench.zoo.emoji_scenes.concepts import load_pictures, world
from effbench.zoo.emoji_scenes.language import Scene, sentence
from effbench.zoo.emoji_scenes.splits import draw_ground, draw_scene
from effbench.zoo.emoji_scenes.tokens import tokenizer, tokens
from effbench.zoo.emoji_scenes.truth import nearly_true, true_pairs
from effbench.zoo.fitting import TrainingPlan, fit

PLAN = TrainingPlan("judge", steps=1200, lr=2e-3, warmup=60, decay_share=0.6, weight_decay=0.02, ema_decay=0.99)
"""As the shipped weights were trained; card.yaml says what came of it."""
BATCH, HARD = 96, 4
"""Pairs a step, and nearly true sentences beside each."""
NAMING_WEIGHT = 0.3
"""Of the loss of naming emoji beside the contrastive one. As the shipped weights were trained; card.yaml says what came
of it.
"""


class NamingDualEncoder(nn.Module):
    """The dual encoder with the layer that names [C emoji, G grounds] from its features."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = DualEncoder(len(tokenizer()))
        self.naming = nn.Linear(WIDTH, world().n_seen + len(world().grounds))

    def loss(self, images: torch.Tensor, shown: list[Scene], said: list[Scene], hard: list[Scene]) -> torch.Tensor:
        """Return the loss of a batch; ``hard`` holds ``HARD`` sentences per image, one image after the other."""
        vectors, features = self.judge.embed_images(images)
        texts = self.judge.embed_texts(*tokens([sentence(s) for s in said + hard]))
        scores = self.judge.log_scale.exp() * vectors @ texts.T  # [B, B + HARD B]
        count = len(said)
        also_true = torch.from_numpy(true_pairs(shown, said + hard))
        also_true[torch.arange(count), torch.arange(count)] = False
        scores = scores.masked_fill(also_true, -1e4)
        target = torch.arange(count)
        aligned = nn.functional.cross_entropy(scores, target) + nn.functional.cross_entropy(scores[:, :count].T, target)
        return aligned / 2 + NAMING_WEIGHT * self._naming_loss(features, shown)

    def _naming_loss(self, features: torch.Tensor, shown: list[Scene]) -> torch.Tensor:
        named = self.naming(nn.functional.gelu(features))
        emoji, grounds = named[:, : world().n_seen], named[:, world().n_seen :]
        present = torch.zeros_like(emoji)
        for row, scene in enumerate(shown):
            present[row, list(scene.concepts)] = 1.0
        emoji_loss = nn.functional.binary_cross_entropy_with_logits(emoji, present, reduction="sum") / len(shown)
        return emoji_loss + nn.functional.cross_entropy(grounds, torch.tensor([scene.ground for scene in shown]))


def blemished(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return the batch as a decoder might have left it: half of the batches are blurred a little and made noisy."""
    if rng.random() < 0.5:
        return images
    blurred = nn.functional.avg_pool2d(nn.functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    noise = rng.normal(0, rng.uniform(0, 0.12), images.shape).astype(np.float32)
    return torch.lerp(images, blurred, float(rng.uniform(0, 0.8))) + torch.from_numpy(noise)


def train_judge(composer: Composer, work: Path) -> None:
    """Train and write ``judge.safetensors`` with its measures on held-out combinations in the metadata."""
    torch.manual_seed(world().seed)
    model = NamingDualEncoder()

    def loss_of(step: int) -> torch.Tensor:
        rng = np.random.default_rng((world().seed, 3, step))
        said = [draw_scene(rng, "train") for _ in range(BATCH)]
        shown = [scene._replace(ground=draw_ground(rng, scene)) for scene in said]
        images = blemished(to_tensor(composer.paint(shown, rng)), rng)
        return model.loss(images, shown, said, [nearly_true(scene, rng) for scene in shown for _ in range(HARD)])

    def at_checkpoint(step: int, training_s: float, ema: dict[str, torch.Tensor]) -> None:
        model.eval()
        print({"step": step, **measure(model.judge, composer, count=300)}, flush=True)

    fit(model, loss_of, PLAN, work, at_checkpoint)
    finish(model, composer, work)


def finish(model: NamingDualEncoder, composer: Composer, work: Path) -> None:
    """Write the EMA of the last checkpoint as ``judge.safetensors``."""
    load_ema(work / f"{PLAN.name}.checkpoint.safetensors", model)
    rng = np.random.default_rng((world().seed, 4))

    def one_batch() -> None:
        model.judge.image(to_tensor(composer.paint([draw_scene(rng, "train") for _ in range(BATCH)], rng)))

    refresh_statistics(model, one_batch)
    facts: dict[str, Any] = measure(model.eval().judge, composer)
    print(facts, flush=True)
    save_atomically(model.judge.state_dict(), work / "judge.safetensors", {k: f"{v:.4f}" for k, v in facts.items()})


@torch.no_grad()
def refresh_statistics(model: nn.Module, one_batch: Callable[[], Any], batches: int = 40) -> None:
    """Measure the batch norms' statistics again, ``one_batch`` running the model once: averaged weights need their own."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # a plain mean over the batches
    model.train()
    for _ in range(batches):
        one_batch()
    model.eval()


def main() -> None:
    """Train the judge, from its last checkpoint if there is one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--work", type=Path, default=Path("zoo-work/emoji"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if not (args.work / "judge.safetensors").exists():
        train_judge(Composer(load_pictures(args.work)), args.work)


if __name__ == "__main__":
    main()
