"""What the shipped judge says of images: alignment with sentences, and the features that distances are made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from effbench.arrays import Array
from effbench.zoo.emoji_judge.models import DualEncoder


class ImageTextScorer:
    """The dual encoder with its tokenizer; images are [N, 3, 64, 64] in [0, 1]."""

    def __init__(self, encoder: DualEncoder, tokenizer: Any) -> None:
        self.encoder, self.tokenizer = encoder.eval(), tokenizer

    @torch.no_grad()
    def images(self, images: torch.Tensor, batch: int = 64) -> tuple[Array, Array]:
        """Return (unit vectors [N, 192], features [N, 192]); the features are those of "emoji-net" distances."""
        parts = [self.encoder.embed_images(part.float() * 2 - 1) for part in images.split(batch)]
        return tuple(torch.cat(column).numpy() for column in zip(*parts))  # type: ignore[return-value]

    @torch.no_grad()
    def sentences(self, sentences: Sequence[str]) -> Array:
        """Return unit vectors [M, 192]; the alignment of an image with a sentence is the product of their vectors."""
        length = self.tokenizer.model_max_length
        encoded = self.tokenizer(
            list(sentences), padding="longest", max_length=length, truncation=True, return_tensors="pt"
        )
        return np.asarray(self.encoder.embed_texts(encoded.input_ids, encoded.attention_mask).numpy())


@cache
def load_judge(folder: Path) -> ImageTextScorer:
    """Return the judge of a folder that holds ``encoder.safetensors`` and ``tokenizer/``."""
    from safetensors.torch import load_file
    from transformers import T5Tokenizer

    tokenizer = T5Tokenizer.from_pretrained(folder / "tokenizer")
    weights = load_file(folder / "encoder.safetensors")
    encoder = DualEncoder(len(weights["text.tokens.weight"]))
    encoder.load_state_dict({name: w.float() if w.is_floating_point() else w for name, w in weights.items()})
    return ImageTextScorer(encoder, tokenizer)


def first_among(vectors: Array, sentences: Array, candidates: Sequence[Sequence[int]]) -> Array:
    """Return [N] whether image i fits the first of its candidates best; ``sentences`` [M, 192], candidates are rows of it.

    A candidate list names the right sentence first and wrong ones after it.
    """
    scores = vectors @ sentences.T  # [N, M]
    return np.array([scores[i, rows[0]] > scores[i, list(rows[1:])].max() for i, rows in enumerate(candidates)])
