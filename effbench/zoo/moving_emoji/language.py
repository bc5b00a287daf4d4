"""The closed language of the videos: ``a NAME moving left|right|up|down [on a COLOUR ground]``, and its splits.

A concept never moves in a direction, and never over a ground, that is held out for it; of the other sentences some are
reserved for calibration and some for evaluation, which trainings never show in those words.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.language import NONE, with_article
from effbench.zoo.emoji_scenes.splits import RESERVED, held_out

DIRECTIONS = ("left", "right", "up", "down")
"""Where an emoji may move, as sentences say it."""
STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))
"""(down, right) of one step in each direction."""
HELD_OUT_DIRECTIONS = 0.125
"""Share of (emoji, direction) that no training shows, as the grounds held out in ``emoji_scenes``."""
GROUND_SHARE = 0.6
"""Of drawn videos with a named ground."""


class Motion(NamedTuple):
    """What a sentence says; ``ground`` is ``NONE`` (-1) where it names none."""

    concept: int
    direction: int
    ground: int = NONE


def sentence(motion: Motion) -> str:
    """Return the prompt of a motion."""
    words = f"{with_article(world().concepts[motion.concept])} moving {DIRECTIONS[motion.direction]}"
    return words if motion.ground == NONE else f"{words} on a {world().grounds[motion.ground]} ground"


def vocabulary() -> dict[str, int]:
    """Return every word of the language with how often it stands in one sentence per concept, direction and ground."""
    counts: dict[str, int] = {}
    for concept in range(world().n_seen):
        for ground in (NONE, *range(len(world().grounds))):
            for direction in range(len(DIRECTIONS)):
                for word in sentence(Motion(concept, direction, ground)).split():
                    counts[word] = counts.get(word, 0) + 1
    return counts


@cache
def _held_out_directions() -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return [C, 4]: motions that no training shows; every concept keeps at least two."""
    flags = np.random.default_rng(world().seed + 20).random((world().n_seen, len(DIRECTIONS))) < HELD_OUT_DIRECTIONS
    flags[flags.sum(1) > len(DIRECTIONS) // 2] = False
    return flags


@cache
def _shares() -> np.ndarray[Any, Any]:
    """Return a uniform number per sentence, [C, 4, G + 1]."""
    rng = np.random.default_rng(world().seed + 21)
    return rng.random((world().n_seen, len(DIRECTIONS), len(world().grounds) + 1))


def split_of(motion: Motion) -> str:
    """Return ``train``, ``calibration``, ``evaluation`` or ``held_out``."""
    if _held_out_directions()[motion.concept, motion.direction]:
        return "held_out"
    if motion.ground != NONE and held_out().grounds[motion.concept, motion.ground]:
        return "held_out"
    share = _shares()[motion]
    if share < RESERVED["calibration"]:
        return "calibration"
    return "evaluation" if share < sum(RESERVED.values()) else "train"


def draw_motion(rng: np.random.Generator, split: str) -> Motion:
    """Return a random motion of a split."""
    while True:
        ground = int(rng.integers(len(world().grounds))) if rng.random() < GROUND_SHARE else NONE
        motion = Motion(int(rng.integers(world().n_seen)), int(rng.integers(len(DIRECTIONS))), ground)
        if split_of(motion) == split:
            return motion


def draw_ground(rng: np.random.Generator, motion: Motion) -> int:
    """Return the motion's ground, or where it names none, one that is allowed for its concept."""
    if motion.ground != NONE:
        return motion.ground
    allowed = np.flatnonzero(~held_out().grounds[motion.concept])
    return int(rng.choice(allowed))
