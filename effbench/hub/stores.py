"""A store on the hub as a folder here: fetched once per revision, whole or not at all, and never written to again.

Files come through the hub's own client and stay in its cache, so that two revisions share what did not change. That cache is
made of links, and a reader of stores follows none that leads out (``effbench.inside``): so each store gets a folder of its
own with hard links to the cached files, or copies where the file system has none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

from effbench.atomic import write_bytes
from effbench.cachedir import cache_folder
from effbench.counted import counted
from effbench.errors import StoreError, one_line
from effbench.hub.listing import Listed, chosen, missing_folder
from effbench.hub.names import DEFAULT_REVISION, HubName, hub_name, is_hub_name
from effbench.legible import legible

TIMEOUT_S = 20
"""That the hub has to answer the first question: a command must not hang where there is no network."""
AT_ONCE = 8
"""Files fetched at a time, as the hub's client does by itself: they are small, and what takes time is asking."""
SAY_EVERY_S = 5.0
"""Between two lines of progress: a choice, often enough to be seen to go on."""

SERVER_FAILS = 500
"""From here on an HTTP status is about the server, not about what it was asked."""

Say = Callable[[str], None]
_COMMIT = re.compile(r"[0-9a-f]{40}")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def local_store(named: str | Path, say: Say = _to_stderr) -> Path:
    """Return the folder of a store: its own path, or where one of the hub (``names.FORM``) now stands here, read-only.

    ``say`` gets lines of progress, the revision among them. Raises ``BadInput`` where the name is not well formed, and
    ``StoreError`` in one sentence where the hub has no such store, lists what leads out of it or is too large, or cannot be
    asked and the store was never fetched.
    """
    if not is_hub_name(named):
        return Path(named)
    name = hub_name(named)
    with _told(name):
        return _fetched(name, say)


def _fetched(name: HubName, say: Say) -> Path:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import EntryNotFoundError

    api = HfApi()
    home = (
        cache_folder() / "hub" / quote(api.endpoint.partition("://")[2], safe="") / name.repository.replace("/", "--")
    )
    commit = _commit(api, name, home, say)
    key = hashlib.sha256(name.folder.encode()).hexdigest()[:16]
    folder = home / commit / key / f"{name.label}@{commit[:7]}"
    if folder.is_dir():
        say(f"{name}: revision {commit[:12]}, already here")
        return folder
    try:
        files = chosen(name, _listed(api, name, commit))
    except EntryNotFoundError:
        raise missing_folder(name, _listed(api, name._replace(folder=""), commit)) from None
    size = sum(file.size for file in files)
    say(f"{name}: revision {commit[:12]}, {counted(len(files), 'file')}, {size / 1e6:.1f} MB")
    cached = _download(name, commit, files, say)
    _build(folder, name, files, cached)
    return folder


def _commit(api: Any, name: HubName, home: Path, say: Say) -> str:
    """Return the commit of a revision: what the hub says, or said last where it cannot be asked."""
    from huggingface_hub.errors import HfHubHTTPError

    revision = name.revision or DEFAULT_REVISION
    if _COMMIT.fullmatch(revision):
        return revision
    known = home / "revisions" / quote(revision, safe="")
    try:
        found = api.dataset_info(name.repository, revision=revision, timeout=TIMEOUT_S).sha
    except Exception as error:  # the client passes on what its HTTP library raises, and it has changed that before
        if isinstance(error, HfHubHTTPError) and error.response.status_code < SERVER_FAILS:
            raise  # the hub was asked, and it said no
        last = known.read_text("utf-8") if known.is_file() else ""
        if not _COMMIT.fullmatch(last):
            raise
        say(f"{name}: the hub cannot be asked ({one_line(error)}); this is as it was last seen")
        return last
    if not isinstance(found, str) or not _COMMIT.fullmatch(found):
        raise StoreError(f"{name}: the hub gave no commit for the revision {legible(repr(revision))}")
    with contextlib.suppress(StoreError):  # a cache that cannot be written costs the next offline look, no more
        write_bytes(known, found.encode())
    return found


def _listed(api: Any, name: HubName, commit: str) -> Iterator[Listed]:
    """Yield the files below the folder of a name as the hub lists them, page by page."""
    tree = api.list_repo_tree(
        name.repository, name.folder or None, recursive=True, revision=commit, repo_type="dataset"
    )
    for entry in tree:
        size = getattr(entry, "size", None)  # folders have none
        if size is not None:
            yield Listed(str(entry.path), int(size))


def _download(name: HubName, commit: str, files: Sequence[Listed], say: Say) -> list[Path]:
    """Return where the hub's client keeps each of the files, fetched where it had them not."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    def fetch(file: Listed) -> Path:
        return Path(hf_hub_download(name.repository, file.path, repo_type="dataset", revision=commit))

    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()  # one bar a file would be hundreds
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        cached, said = [], time.monotonic()
        for path in pool.map(fetch, files):
            cached.append(path)
            if time.monotonic() - said > SAY_EVERY_S:
                said = time.monotonic()
                say(f"{name}: {len(cached)} of {counted(len(files), 'file')}")
        return cached
    finally:
        pool.shutdown(cancel_futures=True)
        if had_bars:
            enable_progress_bars()


def _build(folder: Path, name: HubName, files: Sequence[Listed], cached: Sequence[Path]) -> None:
    """Make the folder of a store out of cached files, in one move: where it is, all of it is."""
    try:
        _link_all(folder, name, files, cached)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be saved: {error.strerror or error}") from None


def _link_all(folder: Path, name: HubName, files: Sequence[Listed], cached: Sequence[Path]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        building = Path(scratch) / "store"
        for file, source in zip(files, cached):
            real = Path(os.path.realpath(source))
            if real.stat().st_size != file.size:
                raise StoreError(f"{name}: {file.path} has {real.stat().st_size} bytes, and the hub listed {file.size}")
            target = building / file.path.removeprefix(f"{name.folder}/" if name.folder else "")
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(real, target)
            except OSError:  # another file system, or one without hard links
                shutil.copyfile(real, target)
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster, and made the same
                raise


@contextlib.contextmanager
def _told(name: HubName) -> Iterator[None]:
    """Turn whatever keeps a store from being fetched into one sentence that says what to do."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except StoreError:
        raise
    except GatedRepoError:
        why = "its owner decides who may read it: ask on its page, then log in with `hf auth login`"
    except RepositoryNotFoundError:
        why = f"the hub has no dataset {name.repository}, or only for others: check the name, or log in with `hf auth login`"
    except RevisionNotFoundError:
        why = f"it has no revision {name.revision or DEFAULT_REVISION!r}: name a branch, a tag or a commit behind an @"
    except OfflineModeIsEnabled:
        why = "it was not fetched before, and HF_HUB_OFFLINE is set: unset it, or name a folder"
    except Exception as error:  # noqa: BLE001 - the client passes on what its HTTP library raises, which it has changed before
        why = f"cannot be fetched from {constants.ENDPOINT} ({one_line(error)}): check the connection, or name a folder"
    else:
        return
    raise StoreError(legible(f"{name}: {why}"))
