"""The generated splits that the project trains, validates and evaluates on: made on demand, cached on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from effbench.atomic import write_with
from effbench.cachedir import cache_folder
from effbench.errors import BadInput, StoreError, nearest
from effbench.lidar.frames import Frame

MANIFEST = "lidar_scenes.yaml"
"""File among the data manifests that fixes version, seeds, counts and hashes."""

ARRAYS = ("points", "boxes", "truncation", "occlusion", "height_px", "points_in_box", "image_boxes")
"""Arrays of a frame as its cached file names them."""


@dataclass(frozen=True)
class SceneSplit:
    """One split: its name, the seed that all its frames come from, how many there are. No two splits share a seed."""

    name: str
    seed: int
    frames: int


@cache
def manifest() -> dict[str, Any]:
    """Return the manifest of the generated scenes."""
    text = files("effbench_data_manifests").joinpath(MANIFEST).read_text("utf-8")
    return dict(yaml.safe_load(text))


def split_named(name: str) -> SceneSplit:
    """Return a split of the manifest; ``BadInput`` where it has none of that name."""
    known = manifest()["splits"]
    if name not in known:
        raise BadInput(f"the generated LiDAR scenes have no split {name!r}{nearest(name, known)}")
    return SceneSplit(name, int(known[name]["seed"]), int(known[name]["frames"]))


def split_frames(
    split: str, profile: str = "64-beam", count: int | None = None, *, cached: bool = True
) -> Iterator[Frame]:
    """Yield the first ``count`` frames of a split (all where None), from the cache where they are there.

    A frame takes about 25 ms to make and 2 ms to read. ``BadInput`` for a split or profile that is not there and for more
    frames than the split has.
    """
    from effbench.lidar.scene.profiles import profile_named

    chosen = split_named(split)
    profile_named(profile)
    wanted = chosen.frames if count is None else count
    if not 0 < wanted <= chosen.frames:
        raise BadInput(
            f"split {split!r} of the generated LiDAR scenes has {chosen.frames} frames; {wanted} were asked for"
        )
    for index in range(wanted):
        yield frame(profile, chosen.seed, index, cached=cached)


def frame(profile: str, seed: int, index: int, *, cached: bool = True) -> Frame:
    """Return one frame, from the cache or made and cached; a cache that cannot be written is done without."""
    from effbench.lidar.scene.generator import generate

    if not cached:
        return generate(profile, seed, index)
    path = cached_at(profile, seed, index)
    found = read(path)
    if found is None:
        found = generate(profile, seed, index)
        try:
            write(found, path)
        except StoreError:
            return found
    return found


def cached_at(profile: str, seed: int, index: int) -> Path:
    """Return where a frame is cached; the folder's name holds the generator's version."""
    from effbench.lidar.scene.generator import VERSION

    return cache_folder() / "lidar" / f"scenes-{VERSION}" / profile / str(seed) / f"{index:06d}.npz"


def write(made: Frame, path: Path) -> None:
    """Write a frame atomically."""

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:  # a path would get .npz added
            np.savez(
                file,
                points=made.points,
                boxes=made.boxes,
                truncation=made.truncation,
                occlusion=made.occlusion,
                height_px=made.height_px,
                points_in_box=made.points_in_box,
                image_boxes=made.image_boxes,
                classes=np.array(made.classes, "U16"),
                named=np.array([made.name, made.scene]),
            )

    write_with(path, save)


def read(path: Path) -> Frame | None:
    """Return a cached frame, or None where there is none or it cannot be read."""
    try:
        with path.open("rb") as stored, np.load(stored, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
            name, scene = file["named"].tolist()
            return Frame(name, scene, classes=tuple(file["classes"].tolist()), **arrays)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, BadInput):
        return None
