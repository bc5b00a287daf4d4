"""Where EffBench keeps what can be made or fetched again: machine code, measured peaks, stores of the hub."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return EffBench's cache folder, which need not exist: the user's, or one of this user alone among temporary files."""
    named = os.environ.get("XDG_CACHE_HOME")
    try:
        home = Path(named or "~/.cache").expanduser()
    except RuntimeError:  # a user without a home, as in many containers
        home = Path(tempfile.gettempdir()) / f"effbench-caches-{os.getuid()}"
    return home / "effbench"
