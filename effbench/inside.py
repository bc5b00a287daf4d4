"""Reading the files of a store that may come from anybody: regular files of a bounded size that lie inside it.

A link is followed only where its end lies in the store; a pipe or device is refused before it can block or feed for ever.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from effbench.errors import StoreError
from effbench.legible import legible

MOST_BYTES = 1 << 24
"""Of a file of text (16 MiB); the largest in use are plans, of some hundred bytes a cell."""

MOST_TABLE_BYTES = 1 << 32
"""Of a table or of kept outputs (4 GiB)."""

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)  # to open a pipe must not wait


def damaged(file: str | Path, why: object) -> StoreError:
    """Return the error that says in one line what is wrong with a file."""
    return StoreError(legible(" ".join(f"{file}: damaged: {why}".split())))


def real_root(store: str | Path) -> str:
    """Return the real path of a store, which the files below it are held against."""
    return os.path.realpath(store)


def store_of(folder: Path) -> str:
    """Return the real path of the store that a folder of tables or outputs, ``cells/<id>/<folder>``, stands in."""
    above = folder.absolute().parents
    return real_root(above[min(2, len(above) - 1)])


def read_inside(file: str | Path, root: str, most: int = MOST_BYTES) -> bytes:
    """Return the bytes of a file of the store at ``root``.

    Raises ``FileNotFoundError`` where there is none, and ``StoreError`` where it is no regular file, leads out of the
    store, holds more than ``most`` bytes or cannot be read.
    """
    try:
        descriptor = os.open(file, _FLAGS)
    except FileNotFoundError:
        if Path(file).is_symlink():
            raise damaged(file, "a link that leads nowhere") from None
        raise
    except OSError as error:
        raise StoreError(f"{legible(str(file))}: cannot be read: {error.strerror or error}") from None
    try:
        size = _checked_size(descriptor, file, root, most)
        with open(descriptor, "rb", buffering=0, closefd=False) as opened:
            return opened.read(size) or b"" if size else b""
    except OSError as error:
        raise StoreError(f"{legible(str(file))}: cannot be read: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


def check_inside(file: Path, root: str, most: int = MOST_TABLE_BYTES) -> None:
    """Raise as ``read_inside`` does, for libraries that open a file themselves."""
    try:
        descriptor = os.open(file, _FLAGS)
    except OSError as error:
        raise StoreError(f"{legible(str(file))}: cannot be read: {error.strerror or error}") from None
    try:
        _checked_size(descriptor, file, root, most)
    finally:
        os.close(descriptor)


def is_inside(file: Path, root: str, most: int = MOST_TABLE_BYTES) -> bool:
    """Return whether ``check_inside`` would pass."""
    try:
        check_inside(file, root, most)
    except StoreError:
        return False
    return True


def leads_out(path: Path, root: str) -> bool:
    """Return whether a path, which need not exist, really stands outside the store at ``root``."""
    return not _is_below(os.path.realpath(path), root)


def _checked_size(descriptor: int, file: str | Path, root: str, most: int) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise damaged(file, "a folder, pipe or device stands where a file should")
    if not _is_below(_where(descriptor, file), root):
        raise StoreError(f"{legible(str(file))}: leads out of its store, so it is not read")
    if status.st_size > most:
        raise damaged(file, f"{status.st_size} bytes, and at most {most} are read")
    return status.st_size


def _where(descriptor: int, file: str | Path) -> str:
    """Return where an open file really stands: one call where the system says it, else a walk along the path."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - a Path takes as long as the call
    except OSError:
        return os.path.realpath(file)


def _is_below(path: str, root: str) -> bool:
    return path.startswith(root.rstrip("/\\") + os.sep)
