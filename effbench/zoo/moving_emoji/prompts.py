"""The frozen prompt lists of the videos; ``data_manifests/moving_emoji_prompts.yaml`` is what this file prints.

Run as ``python -m effbench.zoo.moving_emoji.prompts``; a test compares the two. The four directions come in turn. Condensed
subsets are chosen from ``pool``.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.resources import files

import numpy as np

from effbench.yamlplain import plain_yaml
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.moving_emoji.language import DIRECTIONS, Motion, draw_motion, sentence

LISTS = {"calibration": 24, "evaluation": 60, "held_out": 60, "pool": 300}
"""Name of a list -> sentences; the pool is what subsets are chosen from."""
AGAIN = 2
"""How often one emoji may move in one direction in the pool, over different grounds; elsewhere once."""
HEAD = """\
# Prompts of the moving emoji. Frozen output of effbench/zoo/moving_emoji/prompts.py (a test compares them).
# No training shows any of these sentences. calibration and evaluation: the emoji was shown in this direction and over this
# ground, in other words. held_out: the emoji never moved in this direction, or never over this ground.
# pool: what condensed subsets are chosen from; one of fifteen is like evaluation, the others are like held_out.
id: moving-emoji-prompts
revision: 2
licence: Apache-2.0
source: effbench/zoo/moving_emoji/prompts.py, seed 20261125
"""
"""How the file of prompts begins."""


@cache
def entries(name: str) -> tuple[tuple[str, str, Motion], ...]:
    """Return (id, prompt, motion) of a list of the manifest."""
    text = files("effbench_data_manifests").joinpath("moving_emoji_prompts.yaml").read_text("utf-8")
    grounds = world().grounds
    return tuple(
        (
            entry["id"],
            entry["prompt"],
            Motion(
                world().concepts.index(entry["emoji"]),
                DIRECTIONS.index(entry["direction"]),
                grounds.index(entry["ground"]) if entry["ground"] else -1,
            ),
        )
        for entry in plain_yaml(text)[name]
    )


def draw_list(name: str) -> list[Motion]:
    """Return the motions of a list: the directions in turn, no emoji twice in a direction (in the pool: no more than twice).

    The pool holds no sentence of another list.
    """
    rng = np.random.default_rng((world().seed, 22, list(LISTS).index(name)))
    is_pool = name == "pool"
    taken = {motion for other in ("evaluation", "held_out") for motion in draw_list(other)} if is_pool else set()
    motions, used = list[Motion](), Counter[tuple[int, int]]()
    while len(motions) < LISTS[name]:
        motion = draw_motion(rng, split_at(name, len(motions)))
        fits = motion not in taken and used[motion[:2]] < (AGAIN if is_pool else 1)
        if fits and motion.direction == len(motions) % len(DIRECTIONS):
            motions.append(motion)
            taken.add(motion)
            used[motion[:2]] += 1
    return motions


def split_at(name: str, place: int) -> str:
    """Return the split that a place of a list is drawn from; the evaluation split is too small for more of the pool."""
    if name == "pool":
        return "held_out" if place % 15 else "evaluation"
    return name


def main() -> None:
    """Print the manifest."""
    print(HEAD, end="")
    for name in LISTS:
        print(f"{name}:")
        for number, motion in enumerate(draw_list(name)):
            ground = "" if motion.ground < 0 else world().grounds[motion.ground]
            print(
                f'  - {{id: "moving-{name[0]}{number:0{len(str(LISTS[name] - 1))}d}", prompt: "{sentence(motion)}", '
                f'emoji: "{world().concepts[motion.concept]}", direction: {DIRECTIONS[motion.direction]}, '
                f'ground: "{ground}"}}'
            )


if __name__ == "__main__":
    main()
