"""numba's ``njit`` whose cache on disk knows that compiled functions call each other across files.

numba renews a cached function when the file that it stands in changes, not when one that it calls does: after an update,
callers would go on with the old callee compiled into them. So all cached code goes as soon as one of its sources changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from numba import config, njit, prange

__all__ = ["njit", "prange"]

PACKAGES = ("effbench", "effbench_baselines")
STAMP = "compiled-from"
"""File that says from which sources the cached code was compiled."""


def folders_with_compiled_code() -> list[Path]:
    """Return the folders of our packages in which a source imports from here."""
    specs = [find_spec(name) for name in PACKAGES]
    roots = [Path(place) for spec in specs if spec is not None for place in spec.submodule_search_locations or ()]
    sources = (file for root in roots for file in root.rglob("*.py"))
    return sorted({file.parent for file in sources if b"from effbench.compiled import" in file.read_bytes()})


def forget_stale(folders: Sequence[Path], elsewhere: Path | None = None) -> bool:
    """Remove the cached code of some folders where it was compiled from other sources than now lie in any of them.

    ``elsewhere`` is where numba keeps all caches, if not beside the sources. Returns whether there was such code. Indexes
    alone are removed: a process that reads the code meanwhile keeps its file.
    """
    state = hashlib.sha256()
    for file in sorted(file for folder in folders for file in folder.glob("*.py")):
        seen = file.stat()
        state.update(f"{file}\0{seen.st_mtime_ns}\0{seen.st_size}\0".encode())
    caches = [folder / "__pycache__" for folder in folders]
    if elsewhere is not None:  # numba names a folder there after the source's, with a hash of its path
        caches = [cache for folder in folders for cache in elsewhere.glob(f"{folder.name}_*")]
    return any([_forget(cache, state.hexdigest()) for cache in caches])


def _forget(cache: Path, digest: str) -> bool:
    """Empty one cache that is of other sources than the digest's and stamp it; return whether it held anything."""
    stamp, found = cache / STAMP, False
    with contextlib.suppress(OSError):  # a folder that cannot be written holds nothing of ours
        if stamp.is_file() and stamp.read_text("utf-8") == digest:
            return False
        cache.mkdir(exist_ok=True)
        for index in cache.glob("*.nbi"):
            index.unlink(missing_ok=True)
            found = True
        temporary = cache / f"{STAMP}.{os.getpid()}"
        temporary.write_text(digest, "utf-8")
        temporary.replace(stamp)
    return found


_ELSEWHERE: str = getattr(config, "CACHE_DIR", "")  # numba sets its options by name, unseen by mypy
forget_stale(folders_with_compiled_code(), Path(_ELSEWHERE) if _ELSEWHERE else None)
