"""Writing a file so that it is either whole or not there: temporary file, fsync, rename, fsync of the folder.

Scope: survives SIGKILL and power loss of a local file system; costs two fsyncs a file. Not meant for many tiny files in
a hot loop.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from effbench.errors import StoreError


def write_bytes(path: Path, data: bytes) -> str:
    """Write ``data`` to ``path`` atomically and return its sha256; raise ``StoreError`` where that fails."""
    write_with(path, lambda temporary: temporary.write_bytes(data))
    return hashlib.sha256(data).hexdigest()


def write_with(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path`` and move it into place; raise ``StoreError`` on failure."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _forget(temporary)  # in a folder from a stranger a link may wait under its name
        write(temporary)
        _sync(temporary)
        temporary.rename(path)
        _sync(path.parent)
    except OSError as error:
        _forget(temporary)
        raise StoreError(f"{path}: cannot be saved: {error.strerror or error}") from error


def write_content_named(folder: Path, stem: str, suffix: str, write: Callable[[Path], object]) -> Path:
    """Let ``write`` fill a file and move it to ``folder/<stem>.<sha256[:16]><suffix>``; return that path."""
    temporary = folder / f".{stem}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget(temporary)
        write(temporary)
        _sync(temporary)
        path = folder / f"{stem}.{file_sha256(temporary)[:16]}{suffix}"
        temporary.rename(path)
        _sync(folder)
    except OSError as error:
        _forget(temporary)
        raise StoreError(f"{folder / stem}: cannot be saved: {error.strerror or error}") from error
    return path


def save_tensors(
    tensors: Mapping[str, Any], path: Path, metadata: Mapping[str, str] | None = None, *, of_torch: bool = False
) -> None:
    """Save numpy arrays (or torch tensors) as safetensors; raise ``OSError`` where that fails, as other writers do."""
    from safetensors import SafetensorError

    save_file = import_module("safetensors.torch" if of_torch else "safetensors.numpy").save_file
    try:
        save_file(dict(tensors), path, None if metadata is None else dict(metadata))
    except SafetensorError as error:
        if "I/O error" not in str(error):
            raise
        raise OSError(str(error).partition("I/O error: ")[2]) from error


def name_matches_content(path: Path) -> bool:
    """Return whether a content-named file still holds what its name says."""
    return path.stem.rpartition(".")[2] == file_sha256(path)[:16]


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _forget(temporary: Path) -> None:
    with contextlib.suppress(OSError):  # what kept it from being written may keep it from being removed
        temporary.unlink()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
