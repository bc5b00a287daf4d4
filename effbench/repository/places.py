"""Where a submission stands in a board repository: ``results/<task>/<system>/<method>/<version>/``, made of its content.

Whoever checks makes the path again, so that nobody can put results under another's name or into another's table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from effbench.digest import hash_of
from effbench.errors import BadInput
from effbench.record import CellRecord
from effbench.store import StoreView
from effbench.submission.manifest import NAME, Manifest

RESULTS = "results"
"""The one folder of a repository that submissions may change."""
DEPTH = 5
"""Parts of a submission's path: results, task, system, method, version."""
LONGEST = 48
"""Characters of a name in a path; with five of them and a submission's own paths, 255 of a whole one are not reached."""
COUNTER = "--"
"""What stands between a version and who measured it again; no name that was made safe holds it."""
CHECK = ".github/workflows/check.yml"
"""The file that tells a board repository as well: git keeps no empty folder, so a clone of a new one has no ``results/``."""
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""Names that Windows keeps for itself."""


def is_board(repository: Path) -> bool:
    """Return whether a folder is a board repository, with submissions or before the first."""
    return (repository / RESULTS).is_dir() or (repository / CHECK).is_file()


def safe_name(text: str) -> str:
    """Return a name as one part of a path: lower-case letters, digits, dots, hyphens and underscores.

    Names that differ in more than case differ in it too: what had to be changed carries the beginning of its hash.
    """
    plain, known = _plain(text), text.lower()
    if plain and plain == known and not RESERVED.fullmatch(plain):
        return plain
    beginning = f"x-{plain}" if not plain or RESERVED.fullmatch(plain) else plain
    mark = hashlib.sha256(known.encode("utf-8", "replace")).hexdigest()[:6]
    return f"{beginning[: LONGEST - 7].strip('-.')}-{mark}"


def _plain(text: str) -> str:
    words = re.sub(r"[^a-z0-9._]+", "-", text.lower())
    return re.sub(r"\.\.+", ".", words)[:LONGEST].strip("-.")


def own_cell(view: StoreView, manifest: Manifest) -> CellRecord:
    """Return the one cell of the method; raise ``BadInput`` where a submission holds several, which have several places."""
    own = [cell for cell in view.cells if cell.id in manifest.cells]
    if len(own) != 1:
        tasks = ", ".join(cell.task_id for cell in own) or "no task"
        raise BadInput(
            f"{view.path}: holds {manifest.method} on {tasks}; `effbench board-repo add` gives each its place"
        )
    return own[0]


def place_of(cell: CellRecord, method: str) -> PurePosixPath:
    """Return the path of a method's cell below a repository's root.

    The system's part carries a hash of the task's parameters and the system's revision, the version's part the beginning of
    the cell's id, which hashes the method's parameters too: what stands in one folder of a system can be compared.
    """
    identity = cell.identity
    workload = hash_of({"params": identity.task_params, "revision": identity.system_revision})[:8]
    system = "-".join(filter(None, (_plain(_named(identity.task_params)), workload)))
    version = "-".join((_plain(_version(cell)) or "unversioned", cell.id[:8]))
    return PurePosixPath(RESULTS, safe_name(identity.task), system, safe_name(method), version)


def counter_place(place: PurePosixPath, by: str) -> PurePosixPath:
    """Return where a measurement by somebody else of what stands at ``place`` stands: beside it, which nobody may change."""
    return place.with_name(f"{place.name}{COUNTER}{safe_name(by)}")


def is_counter(place: PurePosixPath) -> bool:
    """Return whether a path is that of a counter-measurement."""
    return COUNTER in place.name


def places_in(repository: Path, below: PurePosixPath | None = None) -> Iterator[PurePosixPath]:
    """Yield the paths of the submissions of a repository, or below one of its folders, sorted; links are not followed."""
    below = PurePosixPath(RESULTS) if below is None else below
    found = [below] if _is_folder(repository / below) else []
    while found and len(found[0].parts) < DEPTH:
        found = [
            folder / child.name
            for folder in found
            for child in sorted((repository / folder).iterdir())
            if _is_folder(child)
        ]
    yield from (place for place in found if (repository / place / NAME).is_file())


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _named(params: Any) -> str:
    """Return what a reader calls the workload of some parameters: its system, or else every word among them."""
    if isinstance(params, dict) and isinstance(params.get("system"), str):
        return str(params["system"])
    return "-".join(_words(params))


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _words(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _words(item)


def _version(cell: CellRecord) -> str:
    """Return the versions of what the method's plugins come from, as the run found them: ``0.1.0``."""
    origins = (cell.provenance.origins.get(f"method {link.use}", "") for link in cell.identity.chain)
    found = (re.fullmatch(r"\S+ (\S+) \(.*\)", origin) for origin in origins)
    return "-".join(dict.fromkeys(match[1] for match in found if match))
