"""Names of stores on the hub: ``hf://datasets/OWNER/NAME[@REVISION][/FOLDER]``, or without ``datasets/``.

As in the hub's own names a revision ends at the next slash, unless it is written ``%2F``, or it is a pull request's
(``refs/pr/1``) or a conversion's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from effbench.errors import BadInput
from effbench.legible import legible

FORM = "hf://datasets/OWNER/NAME[@REVISION][/FOLDER]"
"""How a store on the hub is named."""
DEFAULT_REVISION = "main"
"""What the hub calls the branch that a name without a revision means."""

_START = re.compile(r"hf:/+", re.IGNORECASE)
_REST = re.compile(
    r"(?P<repository>[^@/]+/[^@/]+)(@(?P<revision>(refs/(pr/\d+|convert/[\w.-]+)|[^/]+)))?(/(?P<folder>.+))?"
)
_REPOSITORY = re.compile(r"(?!.*(--|\.\.|\.git$))\w(|[\w.-]{0,94}\w)/\w(|[\w.-]{0,94}\w)", re.ASCII)
_PLAIN = re.compile(r"[^\\\x00-\x1f\x7f]+")
_OTHER_KINDS = ("models", "spaces", "kernels", "buckets", "collections")


class HubName(NamedTuple):
    """A store on the hub: repository (``owner/name``), revision (``""``: the default) and folder (``""``: its top)."""

    repository: str
    revision: str = ""
    folder: str = ""

    def __str__(self) -> str:
        revision = (
            f"@{quote(self.revision, safe='/' if self.revision.startswith('refs/') else '')}" if self.revision else ""
        )
        return legible(f"hf://datasets/{self.repository}{revision}{'/' if self.folder else ''}{self.folder}")

    @property
    def label(self) -> str:
        """Return its last word: what the store is called where there is no room for more."""
        return (self.folder or self.repository).rpartition("/")[2]


def is_hub_name(named: str | Path) -> bool:
    """Return whether a store's name is one of the hub; a ``Path`` of one has lost a slash."""
    return _START.match(str(named)) is not None


def hub_name(named: str | Path) -> HubName:
    """Return a name of the hub, read; raise ``BadInput`` where it is none, or of something that holds no stores."""
    start = _START.match(str(named))
    rest = str(named)[start.end() :] if start else ""
    kind, _, name = rest.partition("/")
    if kind in _OTHER_KINDS:
        raise BadInput(f"{_shown(rest)}: stores are read from dataset repositories, not from {kind}: {FORM}")
    found = _REST.fullmatch((name if kind == "datasets" else rest).rstrip("/"))
    if found is None or not _REPOSITORY.fullmatch(found["repository"]):
        raise BadInput(f"{_shown(rest)}: is no store's name on the hub; it reads {FORM}")
    revision, folder = unquote(found["revision"] or ""), found["folder"] or ""
    for what, text in (("folder", folder), ("revision", revision)):
        if text and (why := why_no_path(text) or ("" if _PLAIN.fullmatch(text) else "holds a character that none has")):
            raise BadInput(f"{_shown(rest)}: the {what} {why}; the name reads {FORM}")
    return HubName(found["repository"], revision, folder)


def refuse_hub(path: Path, what: str) -> None:
    """Raise ``BadInput`` where something is to be written to the hub; ``what`` says which folder to name instead."""
    if is_hub_name(path):
        raise BadInput(f"{_shown(_START.sub('', str(path)))}: what is on the hub is only read here; {what}")


def why_no_path(path: str) -> str:
    """Return what keeps text from being a path that stays below where it starts; ``""`` where it is one."""
    parts = path.split("/")
    if ".." in parts:
        return "leads upwards (..)"
    return "" if all(parts) and "." not in parts else "has an empty part"


def _shown(rest: str) -> str:
    return legible(f"hf://{rest[:200]}")
