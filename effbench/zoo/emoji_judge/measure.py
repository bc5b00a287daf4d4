"""How good the judge is on real scenes of combinations it never saw, and on concepts it never saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from effbench.arrays import Array
from effbench.zoo.emoji_judge.models import DualEncoder
from effbench.zoo.emoji_scenes.compose import Composer, to_tensor
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.language import MAX_TOKENS, NONE, RELATIONS, Scene, sentence
from effbench.zoo.emoji_scenes.splits import draw_ground, draw_scene
from effbench.zoo.emoji_scenes.tokens import tokens
from effbench.zoo.emoji_scenes.truth import nearly_true, true_pairs

AMONG = 20
"""Sentences of which an image's own should fit best: chance is then 5 %."""


def measure(judge: DualEncoder, composer: Composer, count: int = 1000) -> dict[str, float]:
    """Return AUC against other sentences and against nearly true ones, accuracy among 20, retrieval@1; unseen apart."""
    rng = np.random.default_rng((world().seed, 5))
    said = [draw_scene(rng, "held-out") for _ in range(count)]
    facts = _measure(judge, composer, said, rng)
    unseen = [unseen_scene(rng) for _ in range(count // 2)]
    apart = _measure(judge, composer, unseen, rng)
    return {**facts, **{f"unseen_{name}": value for name, value in apart.items() if name.startswith("auc")}}


def _measure(judge: DualEncoder, composer: Composer, said: list[Scene], rng: np.random.Generator) -> dict[str, float]:
    shown = [scene._replace(ground=draw_ground(rng, scene)) for scene in said]
    vectors = embed_images(judge, composer, shown, rng)
    texts = embed_texts(judge, said)
    scores = vectors @ texts.T  # [N, N]
    matched = scores.diagonal()
    true = true_pairs(shown, said)
    hard = embed_texts(judge, [nearly_true(scene, rng) for scene in shown])
    nearly = (vectors * hard).sum(1)
    others = scores[~true]
    mixed = np.concatenate([nearly, rng.choice(others, len(nearly), replace=False)])
    best = scores.argmax(1)
    among = [first_among(scores[i], i, np.flatnonzero(~true[i]), rng) for i in range(len(said))]
    return {
        "auc": auc(matched, mixed),
        "auc_other": auc(matched, others),
        "auc_nearly_true": auc(matched, nearly),
        "paired_nearly_true": float((matched > nearly).mean()),
        "first_among_20": float(np.mean(among)),
        "retrieval_at_1": float(true[np.arange(len(said)), best].mean()),
        "retrieval_pool": float(len(said)),
    }


def first_among(scores: Array, right: int, wrong: Array, rng: np.random.Generator) -> bool:
    """Return whether the right sentence scores above 19 drawn wrong ones."""
    return bool(scores[right] > scores[rng.choice(wrong, AMONG - 1, replace=False)].max())


def auc(positive: Array, negative: Array) -> float:
    """Return the probability that a positive scores above a negative, ties counting half (Mann-Whitney)."""
    order = np.sort(negative)
    below, not_above = np.searchsorted(order, positive, "left"), np.searchsorted(order, positive, "right")
    return float((below + not_above).mean() / (2 * len(negative)))


def unseen_scene(rng: np.random.Generator) -> Scene:
    """Return a scene of a concept that no training shows, alone or above or left of a seen one."""
    names, n_seen = world().concepts, world().n_seen
    unseen, ground = int(rng.integers(n_seen, len(names))), int(rng.integers(len(world().grounds)))
    if rng.random() < 0.5:
        return Scene(unseen, ground=ground)
    return Scene(unseen, int(rng.integers(n_seen)), int(rng.integers(len(RELATIONS))), ground=NONE)


@torch.no_grad()
def embed_images(judge: DualEncoder, composer: Composer, shown: Sequence[Scene], rng: np.random.Generator) -> Array:
    """Return unit vectors [N, 192] of one new image per scene."""
    parts = [shown[i : i + 100] for i in range(0, len(shown), 100)]
    return np.concatenate([judge.embed_images(to_tensor(composer.paint(part, rng)))[0].numpy() for part in parts])


@torch.no_grad()
def embed_texts(judge: DualEncoder, said: Sequence[Scene]) -> Array:
    """Return unit vectors [N, 192] of sentences."""
    return judge.embed_texts(*tokens([sentence(scene) for scene in said], 2 * MAX_TOKENS)).numpy()
