"""Loading a pipeline from a zoo id, a local folder in hub format, or the hub: one code path for every supported class."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from effbench import zoo
from effbench.api import PluginError
from effbench.counted import counted
from effbench.errors import one_line
from effbench.tasks.diffusion.bars import keep_bars_to_ourselves
from effbench.tasks.diffusion.folders import check_component, check_folder, index_of, is_folder

if TYPE_CHECKING:
    from effbench.tasks.diffusion.adapters import PipelineAdapter

Adapters = Mapping[str, "type[PipelineAdapter]"]
DENOISERS = ("transformer", "unet")
"""What a pipeline calls its denoiser, which hub models may keep apart."""
COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit of Git, whose hash has 40 hex digits."""
HUB_TIMEOUT_S = 20
"""Seconds that the hub has to answer a question about a model: validation must not hang where there is no network."""


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
        pipeline = zoo.folder_sha256(Path(self.location)) if self.is_local else f"hub:{self.revision}"
        return pipeline if self.denoiser is None else f"{pipeline}+{self.denoiser.identity()}"


def find(
    system: str, revision: str | None, variant: str | None, adapters: Adapters, elsewhere: Collection[str] = ()
) -> Source:
    """Return the source of ``zoo:name``, of an existing folder, or of a hub id; raise ``PluginError`` in one sentence.

    Components of ``elsewhere`` come from elsewhere, so that a folder may lack them.
    """
    if system.startswith("zoo:"):
        folder = zoo.find(system).weights
        if not folder.is_dir():
            raise PluginError(f"system {system!r}: this embedded model judges pictures and makes none")
        _check_folder(folder, None, adapters, elsewhere)
        return Source(str(folder), True, None)
    if is_folder(system):
        _check_folder(Path(system), variant, adapters, elsewhere)
        return Source(str(Path(system).resolve()), True, None, variant)
    return Source(system, False, commit_of(system, revision), variant)


def find_denoiser(name: str, revision: str | None, variant: str | None) -> Source:
    """Return the source of a denoiser kept elsewhere: a folder or a hub id with a folder ``transformer`` or ``unet``."""
    if not is_folder(name):
        return Source(name, False, commit_of(name, revision), variant)
    if not (part := denoiser_folder(Path(name))):
        raise PluginError(f"denoiser {name!r}: holds neither a folder 'transformer' nor 'unet'")
    check_component(part, "diffusers", part.name, variant)
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
        return str(HfApi().model_info(name, revision=revision, timeout=HUB_TIMEOUT_S).sha)
    except Exception as error:  # noqa: BLE001 - no network, no such repository, no such revision: the hub says which
        raise PluginError(
            f"system {name!r}: the hub gave no commit for the revision {revision!r}: {' '.join(str(error).split())[:200]}"
        ) from None


def _check_folder(folder: Path, variant: str | None, adapters: Adapters, elsewhere: Collection[str] = ()) -> None:
    """Raise ``PluginError`` where a folder in hub format is of another class or lacks a component or one of its files."""
    name = index_of(folder)["_class_name"]
    check_class(str(folder), name, adapters)
    check_folder(folder, variant, adapters[name].parts, elsewhere)


def check_class(where: str, name: str, adapters: Adapters) -> None:
    """Raise ``PluginError`` where a pipeline class is not supported, naming those that are."""
    if name not in adapters:
        raise PluginError(f"{where}: pipeline class {name} is not supported; supported: {', '.join(adapters)}")


def load_pipeline(source: Source, device: str, dtype: str, adapters: Adapters) -> Any:
    """Return the pipeline in evaluation mode on a device in a dtype, silent about its own progress."""
    import torch
    from diffusers import DiffusionPipeline
    from diffusers.utils import logging as diffusers_logging
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    keep_bars_to_ourselves()
    diffusers_logging.disable_progress_bar()
    diffusers_logging.set_verbosity_error()  # a type hint that names another autoencoder is no news
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # nor that a picture processor which no pipeline calls has another backend
    how: dict[str, Any] = {"dtype": getattr(torch, dtype), "use_safetensors": True, "variant": source.variant}
    where: dict[str, Any] = {"revision": source.revision, "local_files_only": source.is_local}
    try:
        parts = {} if source.denoiser is None else _denoiser(source.denoiser, how)
        if source.is_local:
            parts |= _encoders(source, how)
        if not source.is_local:  # before gigabytes are fetched
            facts = DiffusionPipeline.load_config(source.location, **where)
            check_class(source.location, str(facts["_class_name"]), adapters)
        pipeline = DiffusionPipeline.from_pretrained(source.location, **parts, **how, **where)
    except (OSError, ValueError, SafetensorError) as error:
        raise PluginError(f"{source.location}: cannot be loaded: {' '.join(str(error).split())[:300]}") from error
    except (
        AttributeError,
        IndexError,
        KeyError,
        TypeError,
    ) as error:  # from JSON of another form than the libraries take
        raise PluginError(
            f"{source.location}: cannot be loaded: a file holds another form than its class reads ({one_line(error)})"
        ) from error
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module):
            _require_whole(source, name, [key for key, tensor in part.state_dict().items() if tensor.is_meta])
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


def _encoders(source: Source, how: Mapping[str, Any]) -> dict[str, Any]:
    """Return a folder's components of ``transformers``; raise ``PluginError`` where one lacks some of its weights.

    The library fills those at random, in every process others, and says so in its log alone.
    """
    import transformers

    found = {}
    for name, value in index_of(Path(source.location)).items():
        library, kind = value if isinstance(value, list) else (None, None)
        named: Any = getattr(transformers, kind, None) if library == "transformers" and kind else None
        if not (isinstance(named, type) and issubclass(named, transformers.PreTrainedModel)):
            continue
        of_class: Any = named
        part = Path(source.location) / name
        has_variant = any(f".{source.variant}" in file.name for file in part.glob("*.safetensors*"))
        try:
            found[name], facts = of_class.from_pretrained(
                part,
                **{**how, "variant": source.variant if has_variant else None},
                local_files_only=True,
                output_loading_info=True,
            )
        except RuntimeError as error:  # weights of other shapes
            raise PluginError(f"{part}: cannot be loaded: its weights are not those of its config.json") from error
        _require_whole(source, name, sorted(facts["missing_keys"]))
    return found


def _require_whole(source: Source, name: str, missing: list[str]) -> None:
    if missing:
        raise PluginError(
            f"{source.location}: cannot be loaded: the weights of {name!r} lack "
            f"{counted(len(missing), 'tensor')}, the first is {missing[0]}"
        )


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
