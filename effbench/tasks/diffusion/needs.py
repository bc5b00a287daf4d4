"""What a pipeline needs before anything is fetched or loaded: room on the disk for a hub model, memory for its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

from effbench.api import PluginError
from effbench.tasks.diffusion.folders import safetensors_header
from effbench.tasks.diffusion.sources import DENOISERS, HUB_TIMEOUT_S, Source

GB = 1e9
"""A gigabyte, as disks are sold."""
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I8": 1, "U8": 1}
"""Bytes of a number by its name in a safetensors header (the format's own list)."""
SMALL = (".json", ".txt", ".model")
"""Endings of configurations and vocabularies, which a component needs besides its weights."""
ACTIVATIONS = 1.15
"""Weights are what can be known; activations come on top, and a seventh is little for any of these models."""


def check_disk(source: Source) -> None:
    """Raise ``PluginError`` where the disk has no room for what would be fetched; local folders need none."""
    needed = sum(_missing_bytes(s) for s in _sources(source) if not s.is_local)
    if not needed:
        return
    from huggingface_hub import constants

    cache = next(
        folder for folder in (Path(constants.HF_HUB_CACHE), *Path(constants.HF_HUB_CACHE).parents) if folder.exists()
    )
    free = shutil.disk_usage(cache).free
    if needed > free:
        raise PluginError(
            f"{source.location}: {needed / GB:.1f} GB would be fetched and {free / GB:.1f} GB are free under {cache}; "
            "make room, or set HF_HOME to a larger disk"
        )


def check_memory(source: Source, device: str, dtype: str) -> None:
    """Raise ``PluginError`` where a GPU's free memory cannot hold the weights; what cannot be known is not refused."""
    if not device.startswith("cuda") or (weights := weights_bytes(source, dtype)) is None:
        return
    import torch

    free = torch.cuda.mem_get_info(device)[0]
    if weights * ACTIVATIONS > free:
        raise PluginError(
            f"{source.location}: about {weights * ACTIVATIONS / GB:.1f} GB of GPU memory are needed in {dtype} and "
            f"{free / GB:.1f} GB are free on {device}"
        )


def weights_bytes(source: Source, dtype: str) -> int | None:
    """Return the size of a pipeline's weights in memory; None where the hub does not say.

    From the headers of local files, else from the sizes that the hub names, whose files are of 4 bytes a number unless a
    variant of 2 is asked for. Where the denoiser is kept apart, it is counted in place of the pipeline's own.
    """
    target = {"float32": 4, "float16": 2, "bfloat16": 2}[dtype]
    total = 0
    for place in _sources(source):
        is_apart = place is not source
        found = _local_weights(place, target) if place.is_local else _hub_weights(place, target)
        if found is None:
            return None
        is_replaced = source.denoiser is not None and not is_apart
        total += sum(size for part, size in found.items() if (part in DENOISERS if is_apart else True))
        total -= sum(size for part, size in found.items() if is_replaced and part in DENOISERS)
    return total


def _local_weights(source: Source, target: int) -> dict[str, int]:
    """Return component -> bytes of its weights once floats are of ``target`` bytes."""
    parts = [p for p in sorted(Path(source.location).iterdir()) if p.is_dir()]
    return {part.name: _part_bytes(part, source.variant, target) for part in parts}


def _hub_weights(source: Source, target: int) -> dict[str, int] | None:
    """Return component -> bytes of its weights in memory, from the sizes of the hub's files."""
    files = _hub_files(source)
    if files is None:
        return None
    stored = 2 if source.variant in ("fp16", "bf16") else 4
    found: dict[str, int] = {}
    for name, size in files.items():
        part, _, last = name.rpartition("/")
        if part and last.endswith(".safetensors"):
            found[part] = found.get(part, 0) + size * target // stored
    return found


def _part_bytes(part: Path, variant: str | None, target: int) -> int:
    """Return the bytes of one component's weights once floats are of ``target`` bytes."""
    files = [p for p in part.glob("*.safetensors") if _is_chosen(p.name, variant, [q.name for q in part.iterdir()])]
    total = 0
    for file in files:
        for facts in safetensors_header(file).values():
            count = 1
            for size in facts["shape"]:
                count *= size
            stored = BYTES.get(facts["dtype"], 4)
            total += count * (target if "F" in facts["dtype"] else stored)
    return total


def _is_chosen(name: str, variant: str | None, siblings: list[str]) -> bool:
    """Return whether the loader takes a weight file: the variant's where it is there, else those without one."""
    variants = [s for s in siblings if s.endswith(".safetensors") and variant and f".{variant}" in s]
    return name in variants if variants else name.count(".") == 1


def _missing_bytes(source: Source) -> int:
    """Return the bytes of a hub model's files that a pipeline needs and the cache lacks; 0 where the hub does not say."""
    from huggingface_hub import try_to_load_from_cache

    files = _hub_files(source) or {}
    return sum(
        size
        for name, size in files.items()
        if not isinstance(try_to_load_from_cache(source.location, name, revision=source.revision), str)
    )


def _hub_files(source: Source) -> dict[str, int] | None:
    """Return name -> size of the files that a pipeline needs of a hub model; None without an answer from the hub."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(source.location, revision=source.revision, files_metadata=True, timeout=HUB_TIMEOUT_S)
    except Exception:  # noqa: BLE001 - the hub's client raises its own errors and its HTTP library's; the loader says which
        return None
    files = {f.rfilename: int(f.size or 0) for f in info.siblings or ()}
    needed = {}
    for name, size in files.items():
        folder, _, last = name.rpartition("/")
        siblings = [n.rpartition("/")[2] for n in files if n.rpartition("/")[0] == folder]
        is_weight = last.endswith(".safetensors")
        if folder and (_is_chosen(last, source.variant, siblings) if is_weight else last.endswith(SMALL)):
            needed[name] = size
    return needed


def _sources(source: Source) -> list[Source]:
    return [source] if source.denoiser is None else [source, source.denoiser]
