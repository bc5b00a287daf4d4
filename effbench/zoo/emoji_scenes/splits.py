"""What is kept out of every training: combinations (the compositional split) and single sentences (the prompt lists).

- A pair of concepts of the held-out set never stands in a training scene, in no order and no relation; a concept never
  stands on a ground that is held out for it, named or not.
- Of the sentences about other combinations, some are reserved for calibration and some for evaluation: trainings may
  show their combination, but never that sentence.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.language import NONE, RELATIONS, SIZES, Scene

Split = Literal["train", "calibration", "evaluation"]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

HELD_OUT_PAIRS, HELD_OUT_GROUNDS, RESERVED = 0.15, 0.125, {"calibration": 0.02, "evaluation": 0.03}
"""Shares of the combinations that no training shows, and of the sentences that are kept for a split."""
SINGLE_SHARE, GROUND_SHARE, SIZE_SHARE = 0.4, 0.65, 0.6
"""Of drawn scenes: with one emoji; with a named ground; of those with one emoji, with a named size."""


class HeldOut(NamedTuple):
    """``pairs`` [C, C] symmetric; ``grounds`` [C, G]: combinations no training shows."""

    pairs: Flags
    grounds: Flags


@cache
def held_out() -> HeldOut:
    """Return the combinations that are kept out, the same for every model."""
    rng = np.random.default_rng(world().seed)
    n, g = world().n_seen, len(world().grounds)
    upper = np.triu(rng.random((n, n)) < HELD_OUT_PAIRS, 1)
    grounds = rng.random((n, g)) < HELD_OUT_GROUNDS
    grounds[grounds.sum(1) > g // 2] = False
    return HeldOut(upper | upper.T, grounds)


@cache
def _shares() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A uniform number per sentence, of one emoji [C, sizes, G + 1] and of two [C, C, relations, G + 1]."""
    rng = np.random.default_rng(world().seed + 1)
    n, g = world().n_seen, len(world().grounds) + 1
    return rng.random((n, len(SIZES), g)), rng.random((n, n, len(RELATIONS), g))


def split_of(scene: Scene) -> Split | Literal["held-out"]:
    """Return where a scene of seen concepts belongs."""
    pairs, grounds = held_out()
    two = scene.second != NONE
    if two and pairs[scene.first, scene.second]:
        return "held-out"
    if scene.ground != NONE and grounds[list(scene.concepts), scene.ground].any():
        return "held-out"
    single, double = _shares()
    if two:
        share = double[scene.first, scene.second, scene.relation, scene.ground]
    else:
        share = single[scene.first, scene.size, scene.ground]
    if share < RESERVED["calibration"]:
        return "calibration"
    return "evaluation" if share < sum(RESERVED.values()) else "train"


def draw_scene(rng: np.random.Generator, split: str) -> Scene:
    """Return a random scene of a split; the concepts of a pair differ."""
    n, grounds = world().n_seen, len(world().grounds)
    while True:
        ground = int(rng.integers(grounds)) if rng.random() < GROUND_SHARE else NONE
        first, second = (int(i) for i in rng.choice(n, 2, replace=False))
        if rng.random() < SINGLE_SHARE:
            size = int(rng.integers(1, len(SIZES))) if rng.random() < SIZE_SHARE else 0
            scene = Scene(first, size=size, ground=ground)
        else:
            scene = Scene(first, second, int(rng.integers(len(RELATIONS))), ground=ground)
        if split_of(scene) == split:
            return scene


def draw_ground(rng: np.random.Generator, scene: Scene) -> int:
    """Return the scene's ground, or where it names none, one that is allowed for its concepts."""
    if scene.ground != NONE:
        return scene.ground
    known = [i for i in scene.concepts if i < world().n_seen]
    allowed = np.flatnonzero(~held_out().grounds[known].any(0))
    return int(rng.choice(allowed)) if len(allowed) else int(rng.integers(len(world().grounds)))
