"""Loading a text-to-image pipeline from a zoo id, a local folder in hub format, or the hub: one code path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from effbench import zoo
from effbench.api import PluginError

SUPPORTED = ("PixArtSigmaPipeline",)


@dataclass(frozen=True)
class Source:
    """Where a pipeline comes from: a local folder, or a hub id with its revision."""

    location: str
    is_local: bool
    revision: str | None

    def identity(self) -> str:
        """Return what pins the weights: the zoo's or the folder's hash, or the hub revision."""
        if not self.is_local:
            return f"hub:{self.revision}"
        return zoo.folder_sha256(Path(self.location))


def find(system: str, revision: str | None) -> Source:
    """Return the source of ``zoo:name``, of an existing folder, or of a hub id; raise ``PluginError`` in one sentence."""
    if system.startswith("zoo:"):
        return Source(str(zoo.find(system).weights), True, None)
    if Path(system).is_dir():
        pipeline_class(Path(system))
        return Source(str(Path(system).resolve()), True, None)
    if system.startswith((".", "/", "~")) or system.count("/") != 1:
        raise PluginError(f"system {system!r}: no such folder, and not a hub id of the form owner/name")
    if revision is None:
        raise PluginError(
            f"system {system!r}: a hub id needs its revision (the commit), or the result cannot be repeated"
        )
    return Source(system, False, revision)


def pipeline_class(folder: Path) -> str:
    """Return the pipeline class that ``model_index.json`` names; raise ``PluginError`` where it is missing or unsupported."""
    index = folder / "model_index.json"
    try:
        name = str(json.loads(index.read_text())["_class_name"])
    except (OSError, ValueError, KeyError):
        raise PluginError(f"{folder}: not a diffusers folder (no readable model_index.json with _class_name)") from None
    if name not in SUPPORTED:
        raise PluginError(f"{folder}: pipeline class {name} is not supported; supported: {', '.join(SUPPORTED)}")
    return name


def load_pipeline(source: Source, device: str, dtype: str) -> Any:
    """Return the pipeline in evaluation mode on a device in a dtype, silent about its own progress."""
    import torch
    from diffusers import PixArtSigmaPipeline
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    try:
        pipeline = PixArtSigmaPipeline.from_pretrained(
            source.location,
            revision=source.revision,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            local_files_only=source.is_local,
        )
    except (OSError, ValueError) as error:
        raise PluginError(f"{source.location}: cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)
