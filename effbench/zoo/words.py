"""A T5 unigram tokenizer made from the words of a closed language: its words by frequency, single letters for any other."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def tokenizer_of(counts: Mapping[str, int], max_tokens: int) -> PreTrainedTokenizerBase:
    """Return the tokenizer for words with their counts; the more frequent word has the smaller id."""
    from transformers import T5Tokenizer

    total = sum(counts.values())
    words = sorted(counts, key=lambda word: -counts[word])
    letters = sorted({letter for word in words for letter in word} | set("▁" + string.ascii_lowercase + string.digits))
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [(f"▁{word}", math.log(counts[word] / total)) for word in words]
    known = {piece for piece, _ in pieces}
    # A spelled-out word must never beat the whole word, however rare that is.
    pieces += [(letter, -20.0) for letter in letters if letter not in known]
    return T5Tokenizer(vocab=special + pieces, extra_ids=0, model_max_length=max_tokens)


START, STOP, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|unknown|>"
"""Tokens of sentences, written as CLIP writes its own."""


def causal_tokenizer_of(counts: Mapping[str, int], max_tokens: int) -> PreTrainedTokenizerBase:
    """Return a tokenizer for CLIP-type encoders: one token a word between a start and an end token, padded with the end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = [START, STOP, UNKNOWN, *sorted(counts, key=lambda word: -counts[word])]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {STOP}", special_tokens=[(START, 0), (STOP, 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=START,
        eos_token=STOP,
        unk_token=UNKNOWN,
        pad_token=STOP,
        model_max_length=max_tokens,
    )
