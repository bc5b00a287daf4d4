"""Where libraries keep their caches when the home folder cannot be written, as on clusters and in containers."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def usable_caches() -> None:
    """Point matplotlib and numba to a temporary folder where theirs cannot be written.

    The one would warn whoever runs a suite, the other refuses to compile. What a person has set stays.
    """
    if is_writable(_home()):
        return
    folder = Path(tempfile.gettempdir()) / f"effbench-caches-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return
    if folder.stat().st_uid != os.getuid():  # somebody else's: what is compiled there would run as us
        return
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))
    if not is_writable(Path(__file__).parent):
        os.environ.setdefault("NUMBA_CACHE_DIR", str(folder / "numba"))


def is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")
