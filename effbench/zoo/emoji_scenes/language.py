"""The closed language of the emoji scenes, for example "a small dog on a blue ground" or "a star above a red car".

One emoji: ``a [small|big] NAME [on a COLOUR ground]``. Two: ``a NAME left of|above a NAME [on a COLOUR ground]``. What a
prompt leaves open (place, size, ground) is drawn anew for every scene, so that a prompt has many true images.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from effbench.zoo.emoji_scenes.concepts import world

RELATIONS = ("left of", "above")
"""What a sentence may say of two emoji; the reverse is said by naming the other one first."""
SIZES = ("", "small", "big")
"""What a sentence may say of one emoji's size; the first one is nothing."""
NONE = -1
"""In place of a second emoji or a ground that a scene has not."""
MAX_TOKENS = 16
"""The longest sentence has 13 words; one token more ends it."""


class Scene(NamedTuple):
    """What a sentence says; ``NONE`` (-1) where there is no second emoji, no relation, or no ground is named."""

    first: int
    second: int = NONE
    relation: int = NONE
    size: int = 0
    ground: int = NONE

    @property
    def concepts(self) -> tuple[int, ...]:
        """Return the one or two concepts of the scene."""
        return (self.first,) if self.second == NONE else (self.first, self.second)


def sentence(scene: Scene) -> str:
    """Return the prompt of a scene."""
    names = world().concepts
    words = with_article(f"{SIZES[scene.size]} {names[scene.first]}".strip())
    if scene.second != NONE:
        words += f" {RELATIONS[scene.relation]} {with_article(names[scene.second])}"
    if scene.ground != NONE:
        words += f" on a {world().grounds[scene.ground]} ground"
    return words


def parse(prompt: str) -> Scene:
    """Return the scene that a prompt describes; raise ``ValueError`` where it is not of the language."""
    match = _pattern().fullmatch(prompt)
    if match is None:
        raise ValueError(f"not a sentence about emoji scenes: {prompt!r}")
    names, part = world().concepts, match.groupdict()
    two = part["second"] is not None
    scene = Scene(
        first=names.index(part["first"]),
        second=names.index(part["second"]) if two else NONE,
        relation=RELATIONS.index(part["relation"]) if two else NONE,
        size=SIZES.index(part["size"] or ""),
        ground=world().grounds.index(part["ground"]) if part["ground"] else NONE,
    )
    if sentence(scene) != prompt or (two and scene.size):  # a wrong article, or a size in a scene of two
        raise ValueError(f"not a sentence about emoji scenes: {prompt!r}")
    return scene


def vocabulary() -> dict[str, int]:
    """Return every word of the language with how often it stands in one sentence per concept, ground and relation."""
    names, counts = world().concepts[: world().n_seen], dict[str, int]()
    said = [sentence(Scene(i, size=s)) for i in range(len(names)) for s in range(len(SIZES))]
    said += [sentence(Scene(i, i, r)) for i in range(len(names)) for r in range(len(RELATIONS))]
    said += [sentence(Scene(i, ground=g)) for i in range(len(names)) for g in range(len(world().grounds))]
    for word in " ".join(said).split():
        counts[word] = counts.get(word, 0) + 1
    return counts


def with_article(noun: str) -> str:
    """Return a noun behind "a" or "an"."""
    vowel = noun[0] in "aeiou" and not noun.startswith("unicorn")
    return f"{'an' if vowel else 'a'} {noun}"


@cache
def _pattern() -> re.Pattern[str]:
    names = "|".join(sorted(world().concepts, key=len, reverse=True))
    grounds, relations = "|".join(world().grounds), "|".join(RELATIONS)
    return re.compile(
        rf"an? (?:(?P<size>small|big) )?(?P<first>{names})"
        rf"(?: (?P<relation>{relations}) an? (?P<second>{names}))?(?: on a (?P<ground>{grounds}) ground)?"
    )
