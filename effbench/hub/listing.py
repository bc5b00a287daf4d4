"""What is looked at before anything is fetched: the names and sizes that the hub lists, which may come from anybody."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple

from effbench.counted import counted
from effbench.errors import StoreError, nearest
from effbench.hub.names import HubName, why_no_path
from effbench.legible import legible
from effbench.submission.manifest import MOST_BYTES, MOST_FILES, NAME, is_known
from effbench.verification import VERIFICATION

LOCK = "suite.lock.yaml"
"""The file that makes a folder a store."""
MOST_LISTED = 10 * MOST_FILES
"""Entries of a listing that are looked at: a board's repository holds many stores, and no listing may go on for ever."""

MOST_NAMED = 5
"""Folders that a sentence names: it has to stay a sentence."""


class Listed(NamedTuple):
    """A file of a repository: its path from the top, and its bytes."""

    path: str
    size: int


def chosen(name: HubName, files: Iterable[Listed]) -> tuple[Listed, ...]:
    """Return those of the files listed below the folder of ``name`` that belong to its store.

    Raises ``StoreError`` where a path leads out of the repository, where there is no store, or where it is larger than
    what is fetched; of a listing that goes on, no more is read than it takes to know.
    """
    below = f"{name.folder}/" if name.folder else ""
    kept: list[Listed] = []
    others: list[str] = []
    seen: set[str] = set()
    total = 0
    for count, file in enumerate(files):
        if count >= MOST_LISTED:
            raise StoreError(f"{name}: the hub lists more than {MOST_LISTED} files there; name a folder in it")
        if (why := why_no_path(file.path)) or not file.path.startswith(below) or file.size < 0:
            shown = legible(repr(file.path[:200]))
            raise StoreError(f"{name}: the hub lists {shown}, which {why or 'is not in it'}, so nothing was fetched")
        within = file.path.removeprefix(below)
        if is_known(within) or within in (NAME, VERIFICATION):
            if within.casefold() in seen:  # some file systems tell no case, and one would overwrite the other
                raise StoreError(f"{name}: the hub lists {within!r} twice, so nothing was fetched")
            seen.add(within.casefold())
            kept.append(file)
            total += file.size
        elif within.endswith(f"/{LOCK}"):
            others.append(file.path.removesuffix(f"/{LOCK}"))
        if len(kept) > MOST_FILES or total > MOST_BYTES:
            raise StoreError(_too_large(name, len(kept), total))
    if not any(file.path == below + LOCK for file in kept):
        raise StoreError(f"{name}: not an EffBench store (no {LOCK}){_there(others)}")
    return tuple(kept)


def missing_folder(name: HubName, files: Iterable[Listed]) -> StoreError:
    """Return the error that there is no such folder, with the nearest one of a whole repository's files that is a store."""
    paths = (file.path for file in islice(files, MOST_LISTED))
    stores = list(islice((path.removesuffix(f"/{LOCK}") for path in paths if path.endswith(f"/{LOCK}")), MOST_FILES))
    closest = get_close_matches(name.folder, stores, MOST_NAMED, cutoff=0.0)
    hint = nearest(name.folder, closest) if closest else "; no folder in it holds a store"
    return StoreError(legible(f"{name}: the repository has no folder {name.folder!r}{hint}"))


def _too_large(name: HubName, count: int, total: int) -> str:
    where = f"--include '{name.folder}/*' " if name.folder else ""
    revision = f"--revision {name.revision} " if name.revision else ""
    return legible(
        f"{name}: at least {counted(count, 'file')} of {total / 2**30:.2f} GiB, and at most {MOST_FILES} files of "
        f"{MOST_BYTES / 2**30:g} GiB are fetched; get it yourself and name the folder: "
        f"hf download {name.repository} --repo-type dataset {revision}{where}--local-dir FOLDER"
    )


def _there(stores: list[str]) -> str:
    """Return which folders hold a store, as the end of a sentence."""
    if not stores:
        return ""
    more = "" if len(stores) <= MOST_NAMED else f" and {len(stores) - MOST_NAMED} more"
    return legible(f"; there is one in {', '.join(sorted(stores)[:MOST_NAMED])}{more}")
