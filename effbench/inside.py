"""Reading the files of a store that may come from anybody: regular files of a bounded size that lie inside it.

A link is followed only where its end lies in the store; a pipe or device is refused before it can block or feed for ever.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

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


class Root(NamedTuple):
    """A store as it was named and where it really stands."""

    named: str
    real: str


def root_of(store: str | Path) -> Root:
    """Return the root that files of a store are held against."""
    return Root(str(store), os.path.realpath(store))


def store_of(folder: Path) -> Root:
    """Return the root of the store that a folder of tables or outputs, ``cells/<id>/<folder>``, stands in."""
    above = folder.absolute().parents
    return root_of(above[min(2, len(above) - 1)])


def read_inside(file: str | Path, root: Root, most: int = MOST_BYTES) -> bytes:
    """Return the bytes of a file of a store.

    Raises ``FileNotFoundError`` where there is none, and ``StoreError`` where it is no regular file, leads out of the
    store, holds more than ``most`` bytes or cannot be read.
    """
    descriptor = _open_inside(str(file), root)
    try:
        size = _checked_size(descriptor, file, most)
        with open(descriptor, "rb", buffering=0, closefd=False) as opened:
            return opened.read(size) or b"" if size else b""
    except OSError as error:
        raise _unreadable(file, error) from None
    finally:
        os.close(descriptor)


def read_end(file: str | Path, root: Root, most: int) -> bytes:
    """Return the last bytes of a file of a store, at most so many; raises as ``read_inside`` does."""
    descriptor = _open_inside(str(file), root)
    try:
        size = _checked_size(descriptor, file, MOST_TABLE_BYTES)
        return os.pread(descriptor, most, max(0, size - most))
    except OSError as error:
        raise _unreadable(file, error) from None
    finally:
        os.close(descriptor)


def check_inside(file: Path, root: Root, most: int = MOST_TABLE_BYTES) -> None:
    """Raise as ``read_inside`` does, for libraries that open a file themselves."""
    descriptor = _open_inside(str(file), root)
    try:
        _checked_size(descriptor, file, most)
    finally:
        os.close(descriptor)


def is_inside(file: Path, root: Root, most: int = MOST_TABLE_BYTES) -> bool:
    """Return whether ``check_inside`` would pass."""
    try:
        check_inside(file, root, most)
    except (StoreError, FileNotFoundError):
        return False
    return True


def files_inside(folder: Path, root: Root, pattern: str) -> list[Path]:
    """Return the files of a folder that match, sorted; ``[]`` without one.

    Raises ``StoreError`` where it leads out or cannot be listed: what cannot be seen must not pass for what is not there.
    """
    if leads_out(folder, root):
        raise _outside(folder)
    try:
        files = list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from None
    return sorted(file for file in files if file.match(pattern))


def leads_out(path: str | Path, root: Root) -> bool:
    """Return whether a path, which need not exist, really stands outside the store."""
    return not f"{os.path.realpath(path)}{os.sep}".startswith(root.real.rstrip("/\\") + os.sep)


def _open_inside(file: str, root: Root) -> int:
    """Return a descriptor of a file that lies in the store; it is known to before anything of it is opened."""
    try:
        if _may_lead_out(file, root) and leads_out(file, root):
            raise _outside(file)
        return os.open(file, _FLAGS)
    except FileNotFoundError:
        if Path(file).is_symlink():
            raise damaged(file, "a link that leads nowhere") from None
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise _unreadable(file, error) from None


def _may_lead_out(file: str, root: Root) -> bool:
    """Return whether a part of the path below the store is a link: a few looks that spare most files the whole walk."""
    if not file.startswith(f"{root.named}/"):
        return True
    end = len(root.named)
    while end >= 0:
        end = file.find("/", end + 1)
        part = file if end < 0 else file[:end]
        if stat.S_ISLNK(os.lstat(part).st_mode) or part.endswith(".."):
            return True
    return False


def _checked_size(descriptor: int, file: str | Path, most: int) -> int:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise damaged(file, "a folder, pipe or device stands where a file should")
    if status.st_size > most:
        raise damaged(file, f"{status.st_size} bytes, and at most {most} are read")
    return status.st_size


def _outside(path: str | Path) -> StoreError:
    return StoreError(legible(f"{path}: leads out of its store, so it is not read"))


def _unreadable(file: str | Path, error: OSError | ValueError) -> StoreError:
    return StoreError(legible(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}"))
