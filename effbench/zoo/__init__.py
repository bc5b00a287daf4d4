"""The embedded models: found by ``zoo:name``, each a folder with a card, checked weights and the recipe that made them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from effbench.api import PluginError
from effbench.errors import nearest
from effbench.yamlplain import plain_yaml

ROOT = Path(__file__).parent
"""Where models that ship stand, a folder each."""


@dataclass(frozen=True)
class ZooModel:
    """One embedded model: ``weights`` in diffusers folder format, ``judge`` for what its outputs are scored with."""

    name: str
    folder: Path
    card: dict[str, Any]

    @property
    def weights(self) -> Path:
        """Return the folder that ``from_pretrained`` loads."""
        return self.folder / "weights" / "pipeline"

    @property
    def judge(self) -> Path:
        """Return the folder of the metric network and its reference features."""
        return self.folder / "weights" / "judge"


def names() -> list[str]:
    """Return the ids of all embedded models."""
    return sorted(f"zoo:{card.parent.name.replace('_', '-')}" for card in ROOT.glob("*/card.yaml"))


def find(name: str) -> ZooModel:
    """Return an embedded model by its id; raise ``PluginError`` where there is none or a file is not what the card says."""
    if name not in names():
        raise PluginError(f"no embedded model {name!r}{nearest(name, names())}")
    folder = ROOT / name.removeprefix("zoo:").replace("-", "_")
    card = plain_yaml((folder / "card.yaml").read_text("utf-8"))
    _check(folder, tuple(sorted(card["sha256"].items())))
    return ZooModel(name, folder, card)


@cache
def _check(folder: Path, expected: tuple[tuple[str, str], ...]) -> None:
    for file, sha256 in expected:
        path = folder / file
        if not path.is_file():
            raise PluginError(f"{path}: missing; reinstall effbench")
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise PluginError(f"{path}: its sha256 is not the card's; reinstall effbench or retrain the model")


@cache
def folder_sha256(folder: Path) -> str:
    """Return one hash over the names and contents of all files below a folder."""
    digest = hashlib.sha256()
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").hexdigest()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()
