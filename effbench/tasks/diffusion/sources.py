"""Loading a pipeline from a zoo id, a local folder in hub format, or the hub: one code path for every supported class."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench import zoo
from effbench.api import PluginError

if TYPE_CHECKING:
    from effbench.tasks.diffusion.drawing import Drawer

Drawers = Mapping[str, "type[Drawer]"]
DENOISERS = ("transformer", "unet")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Source:
    """Where a pipeline comes from: a local folder, or a hub id with its commit; ``variant`` such as "fp16".

    ``denoiser`` is where its transformer or U-Net comes from instead, for models that the hub keeps apart.
    """

    location: str
    is_local: bool
    revision: str | None
    variant: str | None = None
    denoiser: Source | None = None

    def identity(self) -> str:
        """Return what pins the weights: the zoo's or the folder's hash, or the hub's commit."""
        own = zoo.folder_sha256(Path(self.location)) if self.is_local else f"hub:{self.revision}"
        return own if self.denoiser is None else f"{own}+{self.denoiser.identity()}"


def find(system: str, revision: str | None, variant: str | None, drawers: Drawers) -> Source:
    """Return the source of ``zoo:name``, of an existing folder, or of a hub id; raise ``PluginError`` in one sentence."""
    if system.startswith("zoo:"):
        folder = zoo.find(system).weights
        if not folder.is_dir():
            raise PluginError(f"system {system!r}: this embedded model judges pictures and draws none")
        _check_folder(folder, None, drawers)
        return Source(str(folder), True, None)
    if Path(system).is_dir():
        _check_folder(Path(system), variant, drawers)
        return Source(str(Path(system).resolve()), True, None, variant)
    return Source(system, False, commit_of(system, revision), variant)


def find_denoiser(name: str, revision: str | None, variant: str | None) -> Source:
    """Return the source of a denoiser that is kept apart: a folder or a hub id with a folder ``transformer`` or ``unet``."""
    if not Path(name).is_dir():
        return Source(name, False, commit_of(name, revision), variant)
    if not (part := denoiser_folder(Path(name))):
        raise PluginError(f"denoiser {name!r}: holds neither a folder 'transformer' nor 'unet'")
    _check_weights(part, variant)
    return Source(str(Path(name).resolve()), True, None, variant)


def denoiser_folder(folder: Path) -> Path | None:
    """Return the folder of the denoiser in a pipeline's folder, if there is one."""
    return next((folder / part for part in DENOISERS if (folder / part).is_dir()), None)


@cache
def commit_of(name: str, revision: str | None) -> str:
    """Return the commit of a hub id; a branch or a tag is looked up, so that the result can be repeated.

    Raises ``PluginError`` where the name is not a hub id, the revision is missing, or the hub cannot be asked.
    """
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise PluginError(f"system {name!r}: no such folder, and not a hub id of the form owner/name")
    if revision is None:
        raise PluginError(
            f"system {name!r}: a hub id needs its revision (a commit, or a branch such as main to look one up)"
        )
    if COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(name, revision=revision, timeout=20).sha)
    except Exception as error:  # noqa: BLE001 - no network, no such repository, no such revision: the hub says which
        raise PluginError(
            f"system {name!r}: the hub gave no commit for the revision {revision!r}: {' '.join(str(error).split())[:200]}"
        ) from None


def _check_folder(folder: Path, variant: str | None, drawers: Drawers) -> None:
    """Raise ``PluginError`` where a folder in hub format is of another class or lacks weights."""
    index = folder / "model_index.json"
    try:
        facts = json.loads(index.read_text("utf-8"))
        name = str(facts["_class_name"])
    except (OSError, ValueError, KeyError):
        raise PluginError(f"{folder}: not a diffusers folder (no readable model_index.json with _class_name)") from None
    check_class(str(folder), name, drawers)
    for part in sorted(p for p in folder.iterdir() if p.is_dir() and p.name in facts):
        _check_weights(part, variant)


def check_class(where: str, name: str, drawers: Drawers) -> None:
    """Raise ``PluginError`` where a pipeline class is not supported, naming those that are."""
    if name not in drawers:
        raise PluginError(f"{where}: pipeline class {name} is not supported; supported: {', '.join(drawers)}")


def _check_weights(part: Path, variant: str | None) -> None:
    """Raise ``PluginError`` where a shard is missing, or the weights that there are belong to another variant."""
    infix = f".{variant}" if variant else ""
    for index in sorted(part.glob(f"*.safetensors.index{infix}.json")):
        try:
            shards = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError):
            raise PluginError(f"{index}: not a readable index of shards") from None
        if missing := [shard for shard in shards if not (part / shard).is_file()]:
            raise PluginError(f"{part}: {len(missing)} of {len(shards)} shards are missing, the first is {missing[0]}")
    weights = [p.name for p in part.glob("*.safetensors")]
    variants = {p.split(".")[1].split("-")[0] for p in weights if p.count(".") > 1}
    plain = any(p.count(".") == 1 for p in weights)
    if variant is None and variants and not plain:
        raise PluginError(f"{part}: holds weights of the variant {', '.join(sorted(variants))} only; set variant")


def load_pipeline(source: Source, device: str, dtype: str, drawers: Drawers) -> Any:
    """Return the pipeline in evaluation mode on a device in a dtype, silent about its own progress."""
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as diffusers_logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()  # a type hint that names another autoencoder is no news
    transformers_logging.disable_progress_bar()
    how: dict[str, Any] = {"dtype": getattr(torch, dtype), "use_safetensors": True, "variant": source.variant}
    where: dict[str, Any] = {"revision": source.revision, "local_files_only": source.is_local}
    try:
        parts = {} if source.denoiser is None else _denoiser(source.denoiser, how)
        if not source.is_local:  # before gigabytes are fetched
            facts = DiffusionPipeline.load_config(source.location, **where)
            check_class(source.location, str(facts["_class_name"]), drawers)
        pipeline = DiffusionPipeline.from_pretrained(source.location, **parts, **how, **where)
    except (OSError, ValueError, SafetensorError) as error:
        raise PluginError(f"{source.location}: cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _denoiser(source: Source, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return a denoiser that is kept apart, under the name that a pipeline gives it."""
    from diffusers import AutoModel

    name = "transformer"
    if source.is_local and (part := denoiser_folder(Path(source.location))) is not None:
        name = part.name
    model = AutoModel.from_pretrained(
        source.location, subfolder=name, revision=source.revision, local_files_only=source.is_local, **how
    )
    return {name: model}
