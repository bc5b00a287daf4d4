"""The words of the emoji language as token ids, the same for the judge and for the text encoders of the pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from effbench.zoo.emoji_scenes.language import MAX_TOKENS, vocabulary
from effbench.zoo.words import tokenizer_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase


@cache
def tokenizer() -> PreTrainedTokenizerBase:
    """Return the tokenizer; words it does not know are spelled in letters, so sentences may be longer than any it saw."""
    return tokenizer_of(vocabulary(), max_tokens=2 * MAX_TOKENS)


def tokens(sentences: Sequence[str], length: int = MAX_TOKENS) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids, mask), each [N, length], of sentences; padded, cut where longer."""
    encoded = tokenizer()(
        list(sentences), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    )
    return encoded.input_ids, encoded.attention_mask
