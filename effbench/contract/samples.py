"""What a list of samples must be: ids that name one sample each, for good."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from effbench.api import Sample


def sample_list_problems(samples: object, call: str) -> Iterator[str]:
    """Yield the first thing that keeps ``samples``, which ``call`` returned, from being a sequence of samples with ids."""
    if isinstance(samples, str | bytes | dict) or not (hasattr(samples, "__len__") and hasattr(samples, "__getitem__")):
        yield f"{call} returned {type(samples).__name__}; return a list of effbench.api.Sample"
        return
    for sample in cast("Sequence[Any]", samples):
        if not isinstance(sample, Sample):
            yield f"{call} holds something that is no Sample ({type(sample).__name__}); return effbench.api.Sample"
            return
        if not isinstance(sample.id, str) or not sample.id:
            yield f"{call} holds a sample with the id {sample.id!r}; an id is a string that is not empty"
            return
        slices: Any = sample.slices
        if not isinstance(sample.group, str) or not isinstance(slices, Mapping):
            yield f"{call}: sample {sample.id!r} has group {sample.group!r}, slices {slices!r}; expected text and a mapping"
            return
        for text in (sample.id, sample.group, *slices.keys(), *slices.values()):
            if not isinstance(text, str):
                yield f"{call}: sample {sample.id!r} has the slice {text!r}; expected attribute -> value, both text"
                return
            if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
                yield f"{call} holds {text!r} with a control character; use printable text"
                return


def repeated_id_problems(samples: Iterable[Sample], call: str) -> Iterator[str]:
    """Yield a violation where an id stands for two samples: only one of them would ever be evaluated."""
    counts = Counter(sample.id for sample in samples)
    repeated, count = counts.most_common(1)[0] if counts else ("", 0)
    if count > 1:
        yield f"{call} gives the id {repeated!r} {count} times; give each sample its own"


def shared_id_problems(splits: Mapping[str, Iterable[Sample]]) -> Iterator[str]:
    """Yield a violation where an id is in two splits; ``splits`` is name -> samples."""
    yield from _shared(splits, lambda sample: sample.id, "{value!r} is in both")


def shared_group_problems(splits: Mapping[str, Iterable[Sample]]) -> Iterator[str]:
    """Yield a violation where a group (a scene, an identity) is in two splits."""
    yield from _shared(splits, lambda sample: sample.unit, "the group {value!r} is in both")


def _shared(splits: Mapping[str, Iterable[Sample]], value_of: Callable[[Sample], str], said: str) -> Iterator[str]:
    owner: dict[str, str] = {}
    for split, samples in splits.items():
        for value in dict.fromkeys(map(value_of, samples)):
            other = owner.setdefault(value, split)
            if other != split:
                what = said.format(value=value)
                yield f"{what} splits, {other} and {split}; what is learned on one would leak, keep them disjoint"
                return


def ids_sha256(samples: Iterable[Sample]) -> str:
    """Return the hash of the ids in their order, which two calls of ``samples`` and two processes agree on."""
    return hashlib.sha256("\0".join(sample.id for sample in samples).encode()).hexdigest()
