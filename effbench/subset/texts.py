"""The prompts behind a matrix's samples, for selectors that look at words: a store holds ids only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from effbench.errors import BadInput
from effbench.subset.stores import PoolScores
from effbench.yamlpos import load


def with_texts(found: PoolScores, file: Path) -> PoolScores:
    """Return the matrices with their samples' prompts from a YAML file of ``{id, prompt}`` entries, in any of its lists.

    Raises ``BadInput`` where the file cannot be read or lacks the prompt of a sample.
    """
    prompts: dict[str, str] = {}
    for name, prompt in _entries(load(file).data, file):
        if prompts.setdefault(name, prompt) != prompt:
            raise BadInput(f"{file}: two prompts of sample {name!r}")
    matrices = []
    for matrix in found.matrices:
        lacking = [sample for sample in matrix.samples if sample not in prompts]
        if lacking:
            raise BadInput(
                f"{file}: no prompt of sample {lacking[0]!r} in it ({len(lacking)} of {len(matrix.samples)} lack one); "
                "it needs entries {id: ..., prompt: ...}"
            )
        matrices.append(replace(matrix, texts=tuple(prompts[sample] for sample in matrix.samples)))
    return replace(found, matrices=tuple(matrices))


def _entries(content: Any, file: Path) -> Iterator[tuple[str, str]]:
    """Yield id and prompt of every entry. Both must be text: YAML reads 017 as 15 and `no` as false."""
    if isinstance(content, dict) and "id" in content and "prompt" in content:
        for key in ("id", "prompt"):
            if not isinstance(content[key], str):
                raise BadInput(
                    f"{file}: {key} {content[key]!r} of an entry is read as {type(content[key]).__name__}, not as text; "
                    "put it in quotes"
                )
        yield content["id"], content["prompt"]
    elif isinstance(content, dict | list):
        for part in content.values() if isinstance(content, dict) else content:
            yield from _entries(part, file)
