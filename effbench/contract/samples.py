"""What a list of samples must be: ids that name one sample each, for good."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
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
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in sample.id):
            yield f"{call} holds the id {sample.id!r} with a control character; use printable text"
            return


def repeated_id_problems(samples: Iterable[Sample], call: str) -> Iterator[str]:
    """Yield a violation where an id stands for two samples: only one of them would ever be evaluated."""
    counts = Counter(sample.id for sample in samples)
    repeated, count = counts.most_common(1)[0] if counts else ("", 0)
    if count > 1:
        yield f"{call} gives the id {repeated!r} {count} times; give each sample its own"


def shared_id_problems(calibration: Iterable[Sample], evaluation: Iterable[Sample]) -> Iterator[str]:
    """Yield a violation where an id is in both splits."""
    known = {sample.id for sample in evaluation}
    shared = next((sample.id for sample in calibration if sample.id in known), None)
    if shared is not None:
        yield f"{shared!r} is in both splits; calibrating on evaluation samples would leak, keep the splits disjoint"


def ids_sha256(samples: Iterable[Sample]) -> str:
    """Return the hash of the ids in their order, which two calls of ``samples`` and two processes agree on."""
    return hashlib.sha256("\0".join(sample.id for sample in samples).encode()).hexdigest()
