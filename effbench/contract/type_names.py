"""How a sentence names system types: by class name, and by module too where class names agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def named_apart(expected: Sequence[type], given: type) -> tuple[str, str]:
    """Return the expected classes, joined by commas, and the given one, so that two of one name can be told apart."""
    count = Counter(cls.__name__ for cls in {*expected, given})

    def name(cls: type) -> str:
        return cls.__name__ if count[cls.__name__] == 1 else f"{cls.__module__}.{cls.__qualname__}"

    return ", ".join(map(name, expected)), name(given)
