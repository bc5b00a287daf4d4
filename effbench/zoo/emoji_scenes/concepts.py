"""The concepts and ground colours of the emoji scenes, and their pictures from the npm package.

The names come from ``data_manifests/emoji_scenes.yaml``. Only a training recipe needs the pictures: they are read from
the archive that ``npm pack emoji-datasource-google@16.0.0`` leaves, after its sha256 was checked.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from effbench.yamlplain import plain_yaml

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class World(NamedTuple):
    """``concepts`` in order, the first ``n_seen`` of which trainings show; ``grounds`` and their sRGB ``colours`` [G, 3]."""

    concepts: tuple[str, ...]
    short_names: tuple[str, ...]
    n_seen: int
    grounds: tuple[str, ...]
    colours: Pixels
    seed: int


@cache
def world() -> World:
    """Return the names and colours of ``data_manifests/emoji_scenes.yaml``."""
    facts = manifest()
    seen, unseen = facts["concepts"], facts["unseen_concepts"]
    return World(
        concepts=(*seen, *unseen),
        short_names=(*seen.values(), *unseen.values()),
        n_seen=len(seen),
        grounds=tuple(facts["grounds"]),
        colours=np.array(list(facts["grounds"].values()), np.uint8),
        seed=int(facts["seed"]),
    )


@cache
def manifest() -> dict[str, Any]:
    """Return ``data_manifests/emoji_scenes.yaml`` as it stands."""
    text = files("effbench_data_manifests").joinpath("emoji_scenes.yaml").read_text("utf-8")
    facts: dict[str, Any] = plain_yaml(text)
    return facts


def load_pictures(work: Path) -> list[Pixels]:
    """Return the RGBA picture [64, 64, 4] of every concept from the archive in the work folder.

    Raises
    ------
    SystemExit
        If the archive is missing, is another one, or lacks a concept.
    """
    facts = manifest()
    archive = work / facts["archive"]
    if not archive.is_file():
        raise SystemExit(f"{archive}: missing; get it with: npm pack emoji-datasource-google@16.0.0")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != facts["sha256"]:
        raise SystemExit(f"{archive}: its sha256 is not that of data_manifests/emoji_scenes.yaml")
    with tarfile.open(archive) as opened:
        members = {m.name.removeprefix("package/"): m for m in opened.getmembers()}
        table = {e["short_name"]: e["image"] for e in json.loads(_read(opened, members["emoji.json"]))}
        missing = [name for name in world().short_names if name not in table]
        if missing:
            raise SystemExit(f"{archive}: no emoji named {', '.join(missing)}")
        return [_decode(_read(opened, members[f"img/google/64/{table[name]}"])) for name in world().short_names]


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    assert opened is not None, f"{member.name} is not a file"
    return opened.read()


def _decode(png: bytes) -> Pixels:
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"), np.uint8)
