"""Whether prompts reach the model as what they are: their tokens are looked at, whatever files the tokenizer came from."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from effbench.api import PluginError, Sample

PADDED = 0.9
"""Least share of an encoder's embeddings that its own tokenizer fills; published ones pad by less than a hundredth."""
SAME_TOKENS = 0.01
"""Share of a list's prompts whose tokens may be another's: a curly quote or an emoji that a published tokenizer lacks."""


def check_tokens(tokenizer: Any, encoder: Any, samples: Sequence[Sample], longest: int | None) -> None:
    """Raise ``PluginError`` where a tokenizer is not the encoder's, or does not tell the samples' prompts apart.

    ``longest`` is the most tokens that a prompt may have; None: longer ones are cut.
    """
    prompts = [str(sample.data["prompt"]) for sample in samples]
    tokens = [tuple(ids) for ids in tokenizer(prompts, verbose=False).input_ids]
    _check_vocabulary(tokenizer, encoder)
    _check_apart(tokenizer, samples, prompts, tokens)
    worst = max(range(len(tokens)), key=lambda i: len(tokens[i]))
    if longest is not None and len(tokens[worst]) > longest:
        raise PluginError(
            f"prompt {samples[worst].id!r}: has {len(tokens[worst])} tokens and the text encoder takes {longest}; "
            "shorten it, or set long_prompts: cut"
        )


def _check_vocabulary(tokenizer: Any, encoder: Any) -> None:
    """Raise ``PluginError`` where the encoder has no embedding for a token, or the tokenizer fills far too few of them."""
    ids, rows = tokenizer.get_vocab().values(), int(encoder.get_input_embeddings().weight.shape[0])
    known = max(ids, default=-1) + 1
    if known > rows or known < PADDED * rows:
        raise PluginError(
            f"the tokenizer knows {known} tokens and {type(encoder).__name__} has {rows} embeddings; "
            "they belong to different models, or the tokenizer's files are not whole"
        )


def _check_apart(tokenizer: Any, samples: Sequence[Sample], prompts: list[str], tokens: list[tuple[int, ...]]) -> None:
    """Raise ``PluginError`` where a prompt becomes no tokens at all, or different prompts become the same ones."""
    special = set(tokenizer.all_special_ids)
    for sample, prompt, ids in zip(samples, prompts, tokens, strict=True):
        if not special.issuperset(ids):
            continue
        why = "no tokens" if tokenizer.unk_token_id not in ids else "unknown tokens alone"
        raise PluginError(
            f"prompt {sample.id!r}: the tokenizer makes {why} of {prompt[:60]!r}, so that the model never sees it"
        )
    first: dict[tuple[int, ...], int] = {}
    same = []
    for number, (prompt, ids) in enumerate(zip(prompts, tokens, strict=True)):
        other = first.setdefault(ids, number)
        if _plain(prompt) != _plain(prompts[other]):
            same.append((other, number))
    if len(same) > SAME_TOKENS * len(prompts):
        one, double = (samples[i].id for i in same[0])
        raise PluginError(
            f"prompts {one!r} and {double!r}: the tokenizer makes the same tokens of both, so that the model cannot tell "
            f"them apart ({len(same)} of {len(prompts)} prompts are another's double)"
        )


def _plain(prompt: str) -> str:
    """Return a prompt without what tokenizers may drop by design: case, kinds of spaces, forms of one letter."""
    return " ".join(unicodedata.normalize("NFKC", prompt).casefold().split())
