"""Kept outputs that can be looked at, sample by sample and method by method: images, and videos frame by frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from effbench.errors import StoreError
from effbench.legible import legible
from effbench.parts import KeptOutputs
from effbench.report.summarise import Workload
from effbench.store import CellFolder

Array = np.ndarray[Any, Any]
KINDS = ("image", "video")
"""Names of arrays that are pictures: [C, H, W] or [F, C, H, W] in [0, 1]."""

MOST_SIDE, MOST_PIXELS = 8192, 1 << 26
"""Of a picture, or of all frames of a video, that is shown (67 million); larger ones are named and not read."""


class Shown(NamedTuple):
    """One sample: its id and seed, what it asks for, and method -> frames [F, H, W, 3] uint8 (one for an image).

    ``missing`` is method -> why there is no picture.
    """

    sample_id: str
    seed: int
    caption: str
    pictures: dict[str, Array]
    missing: dict[str, str]


class Gallery:
    """The kept outputs of a workload's methods; only headers are read until a sample is shown.

    What is damaged costs its own method: ``damaged`` is method -> the sentence that says so.
    """

    def __init__(self, workload: Workload) -> None:
        names = [cell.method_id for cell in workload.cells]
        self._kept: dict[str, KeptOutputs] = {}
        self.damaged: dict[str, str] = {}
        for name, source in zip(names, workload.sources):
            method = name if names.count(name) == 1 else f"{name} ({source.folder.parents[1].name})"
            try:
                kept = KeptOutputs(CellFolder(source.folder).outputs)
            except StoreError as error:
                self.damaged[method] = str(error)
                continue
            if kept.captions:
                self._kept[method] = kept
        self.keys: list[tuple[str, int]] = list(
            dict.fromkeys(key for outputs in self._kept.values() for key in outputs.captions)
        )
        """(sample id, seed) of every output that some method keeps, in the order of the run."""

    @property
    def methods(self) -> list[str]:
        """Return the methods that keep outputs."""
        return list(self._kept)

    def show(self, keys: Sequence[tuple[str, int]], methods: Sequence[str]) -> list[Shown]:
        """Return samples with the pictures of some methods; a method that keeps none of a sample says why there."""
        shown = []
        for sample_id, seed in keys:
            sample = Shown(sample_id, seed, self._caption(sample_id, seed, methods), {}, {})
            for method in methods:
                try:
                    found = _picture(self._kept[method], sample_id, seed)
                except StoreError as error:
                    found = str(error)
                if isinstance(found, str):
                    sample.missing[method] = found
                else:
                    sample.pictures[method] = found
            shown.append(sample)
        return shown

    def _caption(self, sample_id: str, seed: int, methods: Sequence[str]) -> str:
        captions = (self._kept[method].captions.get((sample_id, seed)) for method in methods)
        return next(filter(None, captions), legible(sample_id))


def _picture(kept: KeptOutputs, sample_id: str, seed: int) -> Array | str:
    """Return the frames of a kept output, or why it has none that can be shown."""
    if not kept.has(sample_id, seed):
        return "not kept"
    shape = next((shape for name, shape in kept.shapes(sample_id, seed).items() if name in KINDS), None)
    if shape is None:
        return "no picture"
    if len(shape) not in (3, 4) or shape[-3] not in (1, 3) or 0 in shape:
        return f"an array of {'x'.join(map(str, shape))} is no picture"
    *frames, _, height, width = shape
    if max(height, width) > MOST_SIDE or math.prod(frames) * height * width > MOST_PIXELS:
        return f"{'x'.join(map(str, shape))} is too large to be shown"
    (output,) = kept.batch([sample_id], seed) or ({},)
    frames_found = frames_of(output)
    return "no picture" if frames_found is None else frames_found


def frames_of(output: Any) -> Array | None:
    """Return an output's picture or video as frames [F, H, W, 3] uint8, or None where it holds neither."""
    for kind in KINDS:
        if kind in output:
            array = np.nan_to_num(np.asarray(output[kind], np.float32))
            frames = array[None] if array.ndim == 3 else array  # [F, C, H, W]
            if frames.shape[1] == 1:
                frames = np.repeat(frames, 3, axis=1)
            pixels: Array = (frames.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
            return pixels
    return None
