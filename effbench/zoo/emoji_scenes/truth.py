"""Which sentences are true of an image, and sentences that are nearly true: the negatives a judge must tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.language import NONE, RELATIONS, SIZES, Scene


def true_pairs(shown: Sequence[Scene], said: Sequence[Scene]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return [N, M]: whether sentence ``said[j]`` is true of an image of ``shown[i]``, whose ground is named.

    A sentence about one emoji means that it is alone. One that names no size is true of every size, as one that names no
    ground is of every ground.
    """
    a, b = np.array(shown)[:, None], np.array(said)[None]  # [N, 1, 5], [1, M, 5]
    same = (a[..., :3] == b[..., :3]).all(-1)
    size = (b[..., 3] == 0) | (a[..., 3] == b[..., 3])
    ground = (b[..., 4] == NONE) | (a[..., 4] == b[..., 4])
    return np.asarray(same & size & ground)


def nearly_true(shown: Scene, rng: np.random.Generator) -> Scene:
    """Return a sentence that is wrong about one thing of an image whose ground is named.

    That thing is the order, the relation, one emoji, the ground, the size, or how many emoji there are.
    """
    n, grounds = world().n_seen, len(world().grounds)
    said = shown if rng.random() < 0.6 else shown._replace(ground=NONE)
    other = int((shown.first + rng.integers(1, n)) % n)
    while other == shown.second:
        other = int(rng.integers(n))
    two = shown.second != NONE
    match str(rng.choice(["order", "relation", "emoji", "emoji", "ground", "count"])):
        case "order" if two:
            return said._replace(first=said.second, second=said.first)
        case "relation" if two:
            return said._replace(relation=1 - said.relation)
        case "order" | "relation" if shown.size or rng.random() < 0.5:
            return said._replace(size=int((shown.size + rng.integers(1, 3)) % len(SIZES)) or 3 - shown.size)
        case "ground":
            return shown._replace(ground=int((shown.ground + rng.integers(1, grounds)) % grounds))
        case "count":
            if two:
                return said._replace(second=NONE, relation=NONE, first=said.concepts[int(rng.integers(2))])
            return Scene(shown.first, other, int(rng.integers(len(RELATIONS))), ground=said.ground)
    if two and rng.random() < 0.5:
        return said._replace(second=other if other != said.first else (other + 1) % n)
    return said._replace(first=other)
