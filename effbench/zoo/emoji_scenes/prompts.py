"""The frozen prompt lists: calibration, evaluation, and a compositional list of combinations that no training shows.

``data_manifests/emoji_prompts.yaml`` is what this file prints (a test compares them), run as
``python -m effbench.zoo.emoji_scenes.prompts``. Lists alternate between one emoji and two, each kind starting
with another concept every time, so that a beginning of a list is as mixed as the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import yaml

from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.language import NONE, Scene, parse, sentence
from effbench.zoo.emoji_scenes.splits import draw_scene
from effbench.zoo.emoji_scenes.truth import true_pairs

LISTS = {"calibration": 40, "evaluation": 100, "held_out": 100}
AMONG = 20
HEAD = """\
# Prompts of the emoji models. Frozen output of effbench/zoo/emoji_scenes/prompts.py (a test compares them).
# No training shows any of these sentences. calibration and evaluation: its combination of emoji and ground may have
# been shown with other words or in another order. held_out: the pair of emoji, or the emoji on its ground, never was.
id: emoji-prompts
revision: 1
licence: Apache-2.0
source: effbench/zoo/emoji_scenes/prompts.py, seed 20261125
"""


class Prompt(NamedTuple):
    """One entry of a list."""

    id: str
    prompt: str


@cache
def prompts(name: str) -> tuple[Prompt, ...]:
    """Return the list ``calibration``, ``evaluation`` or ``held_out`` of the manifest."""
    text = files("effbench_data_manifests").joinpath("emoji_prompts.yaml").read_text("utf-8")
    return tuple(Prompt(entry["id"], entry["prompt"]) for entry in yaml.safe_load(text)[name])


def candidates(name: str) -> list[list[int]]:
    """Return for every prompt of a list the places in it of ``AMONG`` sentences: itself first, then others.

    The others are drawn once and for all; none of them could be true of an image that fits the prompt, nor the reverse.
    """
    scenes = [parse(entry.prompt) for entry in prompts(name)]
    rng = np.random.default_rng((world().seed, 7, list(LISTS).index(name)))
    return [
        [i, *(int(j) for j in rng.choice(_strangers(i, scenes), AMONG - 1, replace=False))] for i in range(len(scenes))
    ]


def _strangers(place: int, scenes: Sequence[Scene]) -> list[int]:
    """Return the places of the scenes that differ from one in more than what either leaves open."""
    one = scenes[place]
    grounded = [s._replace(ground=one.ground) if NONE in (s.ground, one.ground) else s for s in scenes]
    sized = [s._replace(size=one.size) if 0 in (s.size, one.size) else s for s in grounded]
    return [j for j, same in enumerate(true_pairs([one], sized)[0]) if not same]


def draw_list(name: str) -> list[Scene]:
    """Return the scenes of a list, one emoji and two in turn."""
    rng = np.random.default_rng((world().seed, 6, list(LISTS).index(name)))
    scenes, used = list[Scene](), {True: set[int](), False: set[int]()}
    while len(scenes) < LISTS[name]:
        scene = draw_scene(rng, name.replace("_", "-"))
        alone = scene.second == NONE
        if alone == (len(scenes) % 2 == 0) and scene.first not in used[alone]:
            scenes.append(scene)
            used[alone].add(scene.first)
    return scenes


def main() -> None:
    """Print the manifest."""
    print(HEAD, end="")
    for name in LISTS:
        print(f"{name}:")
        for number, scene in enumerate(draw_list(name)):
            print(f'  - {{id: "emoji-{name[0]}{number:02d}", prompt: "{sentence(scene)}"}}')


if __name__ == "__main__":
    main()
