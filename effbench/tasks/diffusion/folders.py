"""Whether a folder in hub format holds what its ``model_index.json`` names, before anything is loaded; free of torch.

The libraries do not refuse every folder that lacks something: without its files a tokenizer is made empty, and every prompt
then gives the same picture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from effbench.api import PluginError

VOCABULARIES = {
    "T5": (("tokenizer.json",), ("spiece.model",)),
    "CLIP": (("tokenizer.json",), ("vocab.json", "merges.txt")),
    "Bert": (("tokenizer.json",), ("vocab.txt",)),
    "TokenizersBackend": (("tokenizer.json",),),
    "PreTrainedTokenizerFast": (("tokenizer.json",),),
}
"""Start of a tokenizer's class -> the sets of files of which it needs one whole."""
ANY_VOCABULARY = (
    ("tokenizer.json",),
    ("spiece.model",),
    ("tokenizer.model",),
    ("sentencepiece.bpe.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
)
"""The same for a class of tokenizer that is not listed: any one of these sets."""
STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
"""How each library names the file of a component's weights."""


def check_folder(folder: Path, variant: str | None, parts: Collection[str], elsewhere: Collection[str] = ()) -> None:
    """Raise ``PluginError`` unless every component that the folder's index names is there with its files.

    ``parts`` must be named and not null; those of ``elsewhere`` come from elsewhere and need not be in the folder.
    """
    facts = index_of(folder)
    named = {name: value for name, value in facts.items() if isinstance(value, list) and not name.startswith("_")}
    for name, value in named.items():
        if len(value) != 2 or not (value == [None, None] or all(isinstance(part, str) for part in value)):
            raise PluginError(f"{folder}: its model_index.json names {name!r} as {value!r}; expected library and class")
    for name in parts:
        if name not in elsewhere and named.get(name, [None, None]) == [None, None]:
            raise PluginError(f"{folder}: its model_index.json names no {name!r}, which {facts['_class_name']} needs")
    folders = {path.name for path in folder.iterdir() if path.is_dir()}
    for name, (library, kind) in named.items():
        if name in elsewhere or kind is None:
            continue
        if name not in folders:
            near = next(
                (f"; {other!r} is spelt in another case" for other in folders if other.lower() == name.lower()), ""
            )
            raise PluginError(f"{folder} has no folder {name!r} that its model_index.json names{near}")
        check_component(folder / name, library, kind, variant)


def index_of(folder: Path) -> dict[str, Any]:
    """Return what a folder's ``model_index.json`` says, with its ``_class_name``; raise ``PluginError`` without one."""
    try:
        facts: dict[str, Any] = json.loads((folder / "model_index.json").read_text("utf-8"))
        facts["_class_name"] = str(facts["_class_name"])
    except (OSError, ValueError, KeyError, TypeError):
        raise PluginError(f"{folder}: not a diffusers folder (no readable model_index.json with _class_name)") from None
    return facts


def check_component(part: Path, library: str, kind: str, variant: str | None) -> None:
    """Raise ``PluginError`` where a component of a class lacks its configuration, its vocabulary or its weights."""
    if "Tokenizer" in kind:
        _require_object(part / "tokenizer_config.json")
        choices = next((files for start, files in VOCABULARIES.items() if kind.startswith(start)), ANY_VOCABULARY)
        if not any(all(_is_filled(part / file) for file in files) for files in choices):
            raise PluginError(f"{part}: holds no vocabulary: no {' and no '.join(' with '.join(c) for c in choices)}")
        if (part / "tokenizer.json").exists():
            _require_object(part / "tokenizer.json")
    elif kind.endswith("Scheduler"):
        _require_object(part / "scheduler_config.json")
    elif kind.endswith(("Processor", "FeatureExtractor")):
        _require_object(part / "preprocessor_config.json")
    else:
        _require_object(part / "config.json")
        _check_weights(part, variant, STEMS.get(library))


def _check_weights(part: Path, variant: str | None, stem: str | None = None) -> None:
    """Raise ``PluginError`` unless a component has whole weights in safetensors, of the variant or without one.

    ``stem`` is how its library names the file; None: any of the two.
    """
    infix = f".{variant}" if variant else ""
    for index in sorted(part.glob(f"*.safetensors.index{infix}.json")):
        try:
            shards = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            raise PluginError(f"{index}: not a readable index of shards") from None
        if missing := [shard for shard in shards if not (part / shard).is_file()]:
            raise PluginError(f"{part}: {len(missing)} of {len(shards)} shards are missing, the first is {missing[0]}")
    files = sorted(part.glob("*.safetensors"))
    variants = {p.name.split(".")[1].split("-")[0] for p in files if p.name.count(".") > 1}
    plain = any(p.name.count(".") == 1 for p in files)
    if variant is None and variants and not plain:
        raise PluginError(f"{part}: holds weights of the variant {', '.join(sorted(variants))} only; set variant")
    stems = STEMS.values() if stem is None else (stem,)
    wanted = [f"{name}{end}" for name in stems for end in {f"{infix}.safetensors", ".safetensors"}]
    wanted += [f"{name}.safetensors.index{end}.json" for name in stems for end in {infix, ""}]
    if not any((part / name).is_file() for name in wanted):
        others = [p.name for p in sorted(part.iterdir()) if p.suffix in (".bin", ".safetensors", ".pt", ".ckpt")]
        there = f"; {', '.join(others)} is not read" if others else ""
        raise PluginError(f"{part}: holds no weights in safetensors (no {wanted[0]}){there}")
    for file in files:
        safetensors_header(file)


def safetensors_header(file: Path) -> Mapping[str, Any]:
    """Return name -> facts of the tensors of a file; raise ``PluginError`` where the file is not whole."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            size = file.stat().st_size
            if length > size:
                raise ValueError("it is no safetensors file, or one that was cut")
            header: dict[str, Any] = json.loads(opened.read(length))
        header.pop("__metadata__", None)
        end = 8 + length + max((facts["data_offsets"][1] for facts in header.values()), default=0)
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise PluginError(f"{file}: cannot be loaded: {' '.join(str(error).split())[:200]}") from None
    if end != size:
        raise PluginError(f"{file}: cannot be loaded: its header tells of {end} bytes and it has {size}")
    return header


def is_folder(name: str) -> bool:
    """Return whether there is a folder of that name; a name that can be no path is none."""
    return os.path.isdir(name)  # noqa: PTH112 - Path.is_dir raises where a name is too long


def is_file(name: str) -> bool:
    """Return whether there is a file of that name; a name that can be no path is none."""
    return os.path.isfile(name)  # noqa: PTH113 - as above


def _is_filled(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _require_object(file: Path) -> None:
    """Raise ``PluginError`` unless a file is there and holds a JSON object."""
    if not file.is_file():
        raise PluginError(f"{file.parent}: has no {file.name}")
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise PluginError(f"{file}: is not JSON: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, dict) or not found:
        raise PluginError(f"{file}: holds no JSON object")
