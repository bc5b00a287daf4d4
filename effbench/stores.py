"""The stores that a path stands for: itself, or those below it, as in a repository of submissions."""

from __future__ import annotations

import os
from pathlib import Path

LOCK = "suite.lock.yaml"
"""The file that makes a folder a store."""
MOST_FOLDERS = 50_000
"""Folders that are looked into: ten thousand submissions in their places, five times over; a home folder ends it too."""


def stores_below(path: Path) -> list[Path]:
    """Return the store at a path, or else the stores anywhere below it, sorted; the path itself where there is none.

    Links are not followed, hidden folders and what lies in a store are not looked into, and of a folder that is no place for
    stores no more than ``MOST_FOLDERS`` are: whoever reads what is returned says what is wrong with it.
    """
    if (path / LOCK).exists():
        return [path]
    found: list[Path] = []
    for seen, (folder, below, files) in enumerate(os.walk(path)):
        if LOCK in files:
            found.append(Path(folder))
            below.clear()
        elif seen > MOST_FOLDERS:
            break
        below[:] = sorted(name for name in below if not name.startswith("."))
    return sorted(found) or [path]
