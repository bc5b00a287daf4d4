"""Which names a pattern of a suite or of the command line means: a name itself, else a glob."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable


def meant(pattern: str, names: Iterable[str]) -> set[str]:
    """Return the names that a pattern means; empty where there is none.

    A name that is written out means itself alone, whatever brackets it holds (``knob(a=[1, 2])``). Of a pattern that matches
    nothing as a glob, the brackets are read as those of a name, so that ``*/knob(a=[1, 2])`` works.
    """
    known = set(names)
    if pattern in known:
        return {pattern}
    found = {name for name in known if fnmatch.fnmatchcase(name, pattern)}
    literal = pattern.replace("[", "[[]")
    return found or {name for name in known if fnmatch.fnmatchcase(name, literal)}
