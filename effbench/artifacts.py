"""What preparations leave on disk: tensors as safetensors, plans as YAML, one folder per training, read back as given.

::

    artifact/            of a chain that prepares once           plan.yaml, tensors.<hash>.safetensors
    artifact/s<seed>/    where every seed prepares by itself     the same

A plan names the links of the chain in order, with what each planned and the settings of the system that it planned for.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from effbench.api import Artifact
from effbench.atomic import file_sha256, name_matches_content, write_bytes, write_content_named
from effbench.errors import StoreError
from effbench.inside import Root, check_inside, damaged, files_inside, read_inside, root_of

SCHEMA = "effbench/artifact/2"
"""1 was a bare list of plans."""
PLAN, STEM = "plan.yaml", "tensors"
TORCH = "torch"
"""Key of the file's metadata that names the tensors which were given as torch tensors."""


@dataclass(frozen=True)
class Prepared:
    """What one link of a chain prepared, and the settings (``Method.tied_to``) under which alone that holds."""

    artifact: Artifact
    settings: Mapping[str, Any] = field(default_factory=dict)
    method: str = ""


def is_torch(value: object) -> bool:
    """Return whether a value is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def write_artifact(folder: Path, links: Sequence[Prepared]) -> str:
    """Write what the links of a chain prepared and return the hash over all of it; older files of the folder go.

    Raises ``StoreError`` where it cannot be saved.
    """
    tensors = {f"{i}/{name}": value for i, link in enumerate(links) for name, value in link.artifact.tensors.items()}
    plan = {
        "schema": SCHEMA,
        "links": [
            {"method": link.method, "settings": dict(link.settings), "config": dict(link.artifact.config)}
            for link in links
        ],
    }
    plan_sha256 = write_bytes(folder / PLAN, yaml.safe_dump(plan, sort_keys=True).encode())
    for old in folder.glob(f"{STEM}.*.safetensors"):
        old.unlink()
    file = write_content_named(folder, STEM, ".safetensors", lambda path: _save(tensors, path))
    return hashlib.sha256((plan_sha256 + file_sha256(file)).encode()).hexdigest()


def _save(tensors: Mapping[str, Any], path: Path) -> None:
    from effbench.atomic import save_tensors

    given = sorted(name for name, value in tensors.items() if is_torch(value))
    if not given:
        save_tensors({name: np.asarray(value, order="C") for name, value in tensors.items()}, path)
        return
    import torch

    plain = {
        name: value.detach().cpu().contiguous().clone()  # safetensors refuses tensors that share memory
        if is_torch(value)
        else torch.from_numpy(np.array(value, order="C"))
        for name, value in tensors.items()
    }
    save_tensors(plain, path, {TORCH: json.dumps(given)}, of_torch=True)


def read_artifact(folder: Path, root: Root) -> tuple[list[Prepared], str]:
    """Return (what each link prepared, hash over all of it); raise ``StoreError`` where it is missing or damaged."""
    plan_file = folder / PLAN
    try:
        text = read_inside(plan_file, root)
    except FileNotFoundError:
        raise damaged(plan_file, "there is none, though the cell is prepared") from None
    try:
        plan = yaml.safe_load(text)  # as it was dumped: a key may be a number, a value infinite
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise damaged(plan_file, error) from None
    links = [{"config": config} for config in plan] if isinstance(plan, list) else _links(plan)
    if links is None or not all(isinstance(link.get("config"), dict) for link in links):
        raise damaged(plan_file, "it is no list with a mapping per method")
    files = files_inside(folder, root, f"{STEM}.*.safetensors")
    if len(files) != 1:
        raise damaged(folder, f"it holds {len(files)} files of tensors, not one")
    tensors = read_tensors(files[0], root)
    found = []
    for index, link in enumerate(links):
        prefix = f"{index}/"
        own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        found.append(Prepared(Artifact(own, link["config"]), link.get("settings", {}), str(link.get("method", ""))))
    both = hashlib.sha256(text).hexdigest() + file_sha256(files[0])
    return found, hashlib.sha256(both.encode()).hexdigest()


def _links(plan: Any) -> list[dict[str, Any]] | None:
    links = plan.get("links") if isinstance(plan, dict) else None
    is_list = isinstance(links, list) and all(isinstance(link, dict) for link in links)
    return links if is_list and all(isinstance(link.get("settings", {}), dict) for link in links or ()) else None


def read_tensors(file: Path, root: Root) -> dict[str, Any]:
    """Return the arrays of a content-named safetensors file, torch tensors where they were given as such.

    Raises ``StoreError`` where it is not what its name says.
    """
    from safetensors import SafetensorError, safe_open

    check_inside(file, root)
    if not name_matches_content(file):
        raise damaged(file, "its content is not what its name says")
    try:
        with safe_open(file, "numpy") as opened:
            given = set(json.loads((opened.metadata() or {}).get(TORCH, "[]")))
            names = list(opened.keys())
            tensors = {name: opened.get_tensor(name) for name in names if name not in given}
        if given:
            with safe_open(file, "pt") as opened:
                tensors |= {name: opened.get_tensor(name) for name in names if name in given}
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise damaged(file, error) from None
    return tensors


def described(folder: Path) -> list[dict[str, Any]]:
    """Return per link of an artifact its method, settings, plan, and of each tensor name, dtype, shape and bytes.

    Raises ``StoreError`` where the folder holds no artifact.
    """
    links, sha256 = read_artifact(folder, root_of(folder))
    return [
        {
            "method": link.method,
            "settings": dict(link.settings),
            "config": dict(link.artifact.config),
            "tensors": {name: _form(value) for name, value in sorted(link.artifact.tensors.items())},
            "sha256": sha256,
        }
        for link in links
    ]


def _form(value: Any) -> dict[str, Any]:
    dtype = str(value.dtype).removeprefix("torch.")
    return {"dtype": dtype, "shape": [int(size) for size in value.shape], "bytes": int(value.nbytes)}


def artifact_folders(path: Path) -> list[Path]:
    """Return the folders of artifacts at a path: itself, a cell's, or one per training; raise ``StoreError`` for none."""
    for folder in (path, path / "artifact"):
        found = [folder] if (folder / PLAN).is_file() else sorted(f.parent for f in folder.glob(f"s*/{PLAN}"))
        if found:
            return found
    raise StoreError(f"{path}: holds no artifact ({PLAN}); name a cell's folder, or artifact/ in it")
