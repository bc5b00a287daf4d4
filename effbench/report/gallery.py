"""The pictures that a task gave of its outputs, sample by sample and method by method: images, and videos frame by frame.

What an output looks like is the task's to say (``Task.preview``); a store of before schema 3 kept no pictures.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from effbench.arrays import Array
from effbench.errors import StoreError
from effbench.legible import legible
from effbench.parts import KeptOutputs
from effbench.report.summarise import WorkloadCells, names_of

MOST_SIDE, MOST_PIXELS = 8192, 1 << 26
"""Of a picture, or of all frames of a video, that is shown: no screen is wider, and 67 million pixels are 200 MB; larger ones
are named and not read."""

MOST_FRAMES = 1000
"""Of a video that is shown, two minutes at 8 a second: of small ones the frames take more than their pixels do."""

MOST_AT_ONCE = 1 << 27
"""Pixels of all pictures that are shown together (400 MB): a page of 32 pictures of 2048 x 2048."""

NOT_KEPT = "no picture was kept"
"""What stands in place of a sample that a method has no picture of."""


class Preview(NamedTuple):
    """What a reader sees of one sample and method: ``pictures`` are name -> frames [F, H, W, 3] uint8, one of an image.

    ``missing`` are the reasons why there is none, or why one of them is not shown.
    """

    pictures: Mapping[str, Array]
    missing: tuple[str, ...]


class Shown(NamedTuple):
    """One sample: its id and seed, what it asks for, and method -> what is seen of it there."""

    sample_id: str
    seed: int
    caption: str
    previews: Mapping[str, Preview]


def has_pictures(workload: WorkloadCells) -> bool:
    """Return whether any cell seems to keep pictures, be it damaged ones; none is opened for it."""
    return any(_may_keep(f"{raw.path}/previews") for raw in workload.raw)


def _may_keep(folder: str) -> bool:
    """Return whether a folder holds a file of pictures; True where that cannot be told, so that a gallery says why."""
    try:
        is_link, names = os.path.islink(folder), os.listdir(folder)  # noqa: PTH114, PTH208 - a Path takes longer to make
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return is_link or any(name.endswith(".safetensors") for name in names)


class Gallery:
    """The pictures of a workload's methods, by ``names_of``; only headers are read until a sample is shown.

    ``only`` names those to read. What is damaged costs its own method: ``damaged`` is method -> the sentence that says so.
    """

    def __init__(self, workload: WorkloadCells, only: Sequence[str] | None = None) -> None:
        self._kept: dict[str, KeptOutputs] = {}
        self.damaged: dict[str, str] = {}
        members = dict(zip(names_of(workload), workload.raw))
        self._all = list(members if only is None else only)
        for method in self._all:
            try:
                kept = members[method].previews()
            except StoreError as error:
                self.damaged[method] = str(error)
                continue
            if kept.captions:
                self._kept[method] = kept
        self.keys: list[tuple[str, int]] = list(
            dict.fromkeys(key for previews in self._kept.values() for key in previews.captions)
        )
        """(sample id, seed) of every sample that some method has pictures of, in the order of the run."""

    @property
    def methods(self) -> list[str]:
        """Return the methods that have pictures."""
        return list(self._kept)

    @property
    def bare(self) -> list[str]:
        """Return the methods that kept no picture at all."""
        return [name for name in self._all if name not in self._kept and name not in self.damaged]

    def caption(self, key: tuple[str, int], methods: Sequence[str] = ()) -> str:
        """Return what a reader is told about a sample (its prompt); its id where nothing is known."""
        captions = (self._kept[method].captions.get(key) for method in methods or self._kept)
        return next(filter(None, captions), legible(key[0]))

    def show(self, keys: Sequence[tuple[str, int]], methods: Sequence[str]) -> list[Shown]:
        """Return samples with the pictures of some methods; a method that has none of a sample says why there.

        Pictures beyond ``MOST_AT_ONCE`` are named and not read.
        """
        shown, left = [], MOST_AT_ONCE
        for sample_id, seed in keys:
            previews = {}
            for method in methods:
                previews[method] = self._preview(method, sample_id, seed, left)
                left -= sum(math.prod(frames.shape[:-1]) for frames in previews[method].pictures.values())
            caption = self.caption((sample_id, seed), [method for method in methods if method in self._kept])
            shown.append(Shown(sample_id, seed, caption, previews))
        return shown

    def _preview(self, method: str, sample_id: str, seed: int, left: int) -> Preview:
        if method not in self._kept:
            return Preview({}, (self.damaged.get(method, NOT_KEPT),))
        return _preview(self._kept[method], sample_id, seed, left)


def _preview(kept: KeptOutputs, sample_id: str, seed: int, left: int) -> Preview:
    """Return the pictures of a sample that can be shown within ``left`` pixels, by their name."""
    if not kept.has(sample_id, seed):
        return Preview({}, (NOT_KEPT,))
    try:
        chosen, missing = [], []
        for name, (dtype, shape) in kept.forms(sample_id, seed).items():
            if why := _why_not(dtype, shape, left):
                missing.append(f"{legible(name)}: {why}")
            else:
                chosen.append(name)
                left -= math.prod(shape[:-1])
        if not chosen:
            return Preview({}, tuple(missing) or (NOT_KEPT,))
        (output,) = kept.batch([sample_id], seed, chosen) or ({},)
    except StoreError as error:
        return Preview({}, (str(error),))
    pictures = {legible(name): array[None] if array.ndim == 3 else array for name, array in output.items()}
    return Preview(pictures, tuple(missing))


def _why_not(dtype: str, shape: tuple[int, ...], left: int) -> str:
    """Return why an array of that form is not shown, or ``""``; it has not been read yet."""
    if dtype != "uint8":
        return f"{dtype} is no picture"
    form = "x".join(map(str, shape))
    if len(shape) not in (3, 4) or shape[-1] != 3 or 0 in shape:
        return f"an array of {form} is no picture"
    height, width = shape[-3:-1]
    is_too_large = max(height, width) > MOST_SIDE or math.prod(shape[:-1]) > MOST_PIXELS
    if is_too_large or math.prod(shape[:-3]) > MOST_FRAMES:
        return f"{form} is too large to be shown"
    return "" if math.prod(shape[:-1]) <= left else f"{form} is too large beside the others; show fewer at once"
