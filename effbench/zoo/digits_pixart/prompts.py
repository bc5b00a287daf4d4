"""The closed caption language of ``digits-pixart`` and its frozen splits.

A caption is built from five slots (look, medium, relation, noun, name), for example *"a bold sketch of the figure 7"*.
Whole phrasings (a choice of all slots but the digit) belong to exactly one split, so no evaluation or calibration
caption was ever seen in training, while every single word was.
"""

from __future__ import annotations

import itertools
import random
from typing import Literal, NamedTuple

Split = Literal["train", "calibration", "evaluation"]

LOOKS = ("", "handwritten ", "small ", "scanned ", "bold ", "grey ")
"""First words of a prompt; the first one is no word."""
MEDIA = ("drawing", "sketch", "picture", "scan", "photo", "image")
"""What is drawn, in a prompt."""
NOUNS = ("digit", "number", "numeral", "figure")
"""What a digit is called in a prompt."""
NAMES = (
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
)
"""The two ways to write each digit."""
SPLIT_SEED = 20261122
"""A date; prompts are frozen with it."""
PHRASINGS_PER_SPLIT = {"calibration": 16, "evaluation": 32}
"""Ways to say it that no training shows; the rest is for training."""


class Phrasing(NamedTuple):
    """Everything of a caption but the digit; ``form`` picks the word (0) or the numeral (1)."""

    look: str
    medium: str
    noun: str
    form: int

    def caption(self, digit: int) -> str:
        """Return the caption of ``digit`` (0-9) in this phrasing."""
        return f"a {self.look}{self.medium} of the {self.noun} {NAMES[digit][self.form]}"


def phrasings(split: Split) -> list[Phrasing]:
    """Return the phrasings of one split; the three splits are disjoint and their union is the whole language."""
    everything = [Phrasing(*slots) for slots in itertools.product(LOOKS, MEDIA, NOUNS, (0, 1))]
    random.Random(SPLIT_SEED).shuffle(everything)
    n_calibration, n_evaluation = PHRASINGS_PER_SPLIT["calibration"], PHRASINGS_PER_SPLIT["evaluation"]
    if split == "calibration":
        return everything[:n_calibration]
    if split == "evaluation":
        return everything[n_calibration : n_calibration + n_evaluation]
    return everything[n_calibration + n_evaluation :]
