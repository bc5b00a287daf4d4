"""The frozen prompt lists: calibration, evaluation, a compositional one of combinations that no training shows, a pool.

The pool is a longer evaluation list: what condensed subsets are chosen from.

``data_manifests/emoji_prompts.yaml`` is what this file prints (a test compares them), run as
``python -m effbench.zoo.emoji_scenes.prompts``. Lists alternate between one emoji and two, each kind starting
with another concept every time, so that a beginning of a list is as mixed as the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

import numpy as np

from effbench.yamlplain import plain_yaml
from effbench.zoo.emoji_scenes.concepts import world
from effbench.zoo.emoji_scenes.language import NONE, Scene, parse, sentence
from effbench.zoo.emoji_scenes.splits import draw_scene

LISTS = {"calibration": 40, "evaluation": 100, "held_out": 100, "pool": 300}
"""Name of a list -> sentences; the pool is what subsets are chosen from."""
AMONG = 20
"""Sentences in a question to the judge, the true one included; as ``emoji_judge.measure.AMONG``."""
HEAD = """\
# Prompts of the emoji models. Frozen output of effbench/zoo/emoji_scenes/prompts.py (a test compares them).
# No training shows any of these sentences. calibration and evaluation: its combination of emoji and ground may have
# been shown with other words or in another order. held_out: the pair of emoji, or the emoji on its ground, never was.
# pool: what condensed subsets are chosen from; of every ten, two are like evaluation and eight like held_out.
id: emoji-prompts
revision: 2
licence: Apache-2.0
source: effbench/zoo/emoji_scenes/prompts.py, seed 20261125
"""
"""How the file of prompts begins."""


class Prompt(NamedTuple):
    """One entry of a list."""

    id: str
    prompt: str


@cache
def prompts(name: str) -> tuple[Prompt, ...]:
    """Return the list ``calibration``, ``evaluation``, ``held_out`` or ``pool`` of the manifest."""
    text = files("effbench_data_manifests").joinpath("emoji_prompts.yaml").read_text("utf-8")
    return tuple(Prompt(entry["id"], entry["prompt"]) for entry in plain_yaml(text)[name])


def candidates(name: str) -> list[list[int]]:
    """Return for every prompt of a list the places in it of ``AMONG`` sentences: itself first, then others.

    The others are drawn once and for all; none of them could be true of an image that fits the prompt, nor the reverse.
    """
    scenes = [parse(entry.prompt) for entry in prompts(name)]
    rng = np.random.default_rng((world().seed, 7, list(LISTS).index(name)))
    others = map(np.flatnonzero, _strangers(scenes))
    return [[i, *rng.choice(found, AMONG - 1, replace=False).tolist()] for i, found in enumerate(others)]


def _strangers(scenes: Sequence[Scene]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return [N, N]: whether two scenes differ in more than what either leaves open."""
    one, other = np.array(scenes)[:, None], np.array(scenes)[None]
    same = (one[..., :3] == other[..., :3]).all(-1)
    for column, is_open in ((3, 0), (4, NONE)):
        a, b = one[..., column], other[..., column]
        same &= (a == b) | (a == is_open) | (b == is_open)
    return np.asarray(~same)


def draw_list(name: str) -> list[Scene]:
    """Return the scenes of a list, one emoji and two in turn; as far as it goes, another concept comes first every time."""
    rng = np.random.default_rng((world().seed, 6, list(LISTS).index(name)))
    taken = {scene for other in ("evaluation", "held_out") for scene in draw_list(other)} if name == "pool" else set()
    most = -(-LISTS[name] // (2 * world().n_seen))
    scenes, used = list[Scene](), {True: Counter[int](), False: Counter[int]()}
    while len(scenes) < LISTS[name]:
        scene = draw_scene(rng, split_at(name, len(scenes)))
        alone = scene.second == NONE
        if alone == (len(scenes) % 2 == 0) and used[alone][scene.first] < most and scene not in taken:
            scenes.append(scene)
            taken.add(scene)
            used[alone][scene.first] += 1
    return scenes


def split_at(name: str, place: int) -> Literal["calibration", "evaluation", "held-out"]:
    """Return the split that a place of a list is drawn from; of every ten in the pool, two are of the evaluation split.

    There are too few sentences with one emoji in that split for more.
    """
    if name == "pool":
        return "evaluation" if place % 10 < 2 else "held-out"
    return "calibration" if name == "calibration" else "evaluation" if name == "evaluation" else "held-out"


def main() -> None:
    """Print the manifest."""
    print(HEAD, end="")
    for name in LISTS:
        print(f"{name}:")
        for number, scene in enumerate(draw_list(name)):
            print(f'  - {{id: "emoji-{name[0]}{number:0{len(str(LISTS[name] - 1))}d}", prompt: "{sentence(scene)}"}}')


if __name__ == "__main__":
    main()
