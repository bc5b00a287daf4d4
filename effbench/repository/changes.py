"""What a checkout of a board repository changes against a commit, and what stood there before: read from git, nothing is run.

Files are compared as they lie in the working folder, with those that are not committed yet, so that what is checked is what
is there.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from effbench.errors import BadInput
from effbench.legible import legible

LONGEST_S = 120
"""Seconds that git may take for one answer; a repository of some gigabytes takes seconds."""
MOST_BYTES = 1 << 24
"""Of an older file that is read (16 MiB), as of files of text in a store."""
PLAIN = "100644"
"""Mode of a file that is neither a link nor to be run."""


class Change(NamedTuple):
    """A path that was added, changed or removed, and the git mode that it has now (``""``: it is gone)."""

    path: str
    kind: Literal["added", "changed", "removed"]
    mode: str


def changes_since(repository: Path, base: str) -> list[Change]:
    """Return the changes since the commit that the checkout and ``base`` have in common, sorted by path.

    Raises ``BadInput`` where the folder is no git repository, or the commit is not in it.
    """
    root = _git(repository, "rev-parse", "--show-toplevel").decode("utf-8", "surrogateescape").rstrip("\n")
    if not Path(root).samefile(repository):
        raise BadInput(f"{repository}: lies in the git repository {root}; name its root")
    common = common_commit(repository, base)
    raw = _git(
        repository, "diff", "--raw", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--abbrev=40", common
    )
    parts = raw.decode("utf-8", "surrogateescape").split("\0")
    found = [_change(header, path) for header, path in zip(parts[::2], parts[1::2])]
    others = (
        _git(repository, "ls-files", "--others", "--exclude-standard", "-z")
        .decode("utf-8", "surrogateescape")
        .split("\0")
    )
    found += [Change(name, "added", _mode(repository / name)) for name in others if name]
    return sorted(found)


def common_commit(repository: Path, base: str) -> str:
    """Return the commit that a checkout has in common with another; raise ``BadInput`` where there is none."""
    if base.startswith("-"):
        raise BadInput(f"--changed {base!r}: is no commit")
    return _git(repository, "merge-base", base, "HEAD").decode().strip()


def files_before(repository: Path, commit: str, folder: str) -> list[str]:
    """Return the paths that lay below a folder at a commit."""
    return _words(repository, "ls-tree", "-r", "--name-only", commit, folder)


def file_before(repository: Path, commit: str, path: str) -> bytes | None:
    """Return a file as it was at a commit, or None where there was none; raise ``BadInput`` for one that is too large."""
    if not files_before(repository, commit, path):
        return None
    size = int(_git(repository, "cat-file", "-s", f"{commit}:{path}"))
    if size > MOST_BYTES:
        raise BadInput(legible(f"{path}: {size} bytes at {commit[:12]}, and at most {MOST_BYTES} are read"))
    return _git(repository, "cat-file", "blob", f"{commit}:{path}")


def _change(header: str, path: str) -> Change:
    """Return a change from git's raw line: ``:MODE MODE HASH HASH STATUS``."""
    _, mode, _, _, status = header.removeprefix(":").split(" ")
    if status == "D":
        return Change(path, "removed", "")
    return Change(path, "added" if status == "A" else "changed", mode)


def _mode(path: Path) -> str:
    if path.is_symlink():
        return "120000"
    return "100755" if os.access(path, os.X_OK) else PLAIN


def _words(repository: Path, command: str, *words: str) -> list[str]:
    """Return what git prints, parted by NULs: a path may hold anything else."""
    return [
        word for word in _git(repository, command, "-z", *words).decode("utf-8", "surrogateescape").split("\0") if word
    ]


def _git(repository: Path, *words: str) -> bytes:
    # Literal pathspecs: a folder's name is a name and no pattern.
    command: Sequence[str] = ["git", "--literal-pathspecs", "-C", str(repository), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInput(f"{repository}: git cannot be asked: {error}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise BadInput(legible(f"{repository}: git {words[0]}: {said[-1] if said else f'exit code {done.returncode}'}"))
    return done.stdout
