"""Kept outputs that can be looked at, sample by sample and method by method: images, and videos frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from effbench.parts import KeptOutputs
from effbench.report.summarise import Workload
from effbench.store import CellFolder

Array = np.ndarray[Any, Any]
KINDS = ("image", "video")
"""Names of arrays that are pictures: [C, H, W] or [F, C, H, W] in [0, 1]."""


class Shown(NamedTuple):
    """One sample: its id and seed, what it asks for, and method -> frames [F, H, W, 3] uint8 (one for an image)."""

    sample_id: str
    seed: int
    caption: str
    pictures: dict[str, Array]


class Gallery:
    """The kept outputs of a workload's methods; only headers are read until a sample is shown."""

    def __init__(self, workload: Workload) -> None:
        names = [cell.method_id for cell in workload.cells]
        kept = {
            (name if names.count(name) == 1 else f"{name} ({source.folder.parents[1].name})"): KeptOutputs(
                CellFolder(source.folder).outputs
            )
            for name, source in zip(names, workload.sources)
        }
        self._kept = {method: outputs for method, outputs in kept.items() if outputs.captions}
        self.keys: list[tuple[str, int]] = list(
            dict.fromkeys(key for outputs in self._kept.values() for key in outputs.captions)
        )
        """(sample id, seed) of every output that some method keeps, in the order of the run."""

    @property
    def methods(self) -> list[str]:
        """Return the methods that keep outputs."""
        return list(self._kept)

    def show(self, keys: Sequence[tuple[str, int]], methods: Sequence[str]) -> list[Shown]:
        """Return samples with the pictures of some methods; a method that keeps none of a sample is left out there."""
        shown = []
        for sample_id, seed in keys:
            pictures, caption = {}, sample_id
            for method in methods:
                found = self._kept[method].batch([sample_id], seed)
                if found is None:
                    continue
                caption = self._kept[method].captions[sample_id, seed]
                if (frames := frames_of(found[0])) is not None:
                    pictures[method] = frames
            shown.append(Shown(sample_id, seed, caption, pictures))
        return shown


def frames_of(output: Any) -> Array | None:
    """Return an output's picture or video as frames [F, H, W, 3] uint8, or None where it holds neither."""
    for kind in KINDS:
        if kind in output:
            array = np.asarray(output[kind], np.float32)
            frames = array[None] if array.ndim == 3 else array  # [F, C, H, W]
            if frames.shape[1] == 1:
                frames = np.repeat(frames, 3, axis=1)
            pixels: Array = (frames.clip(0, 1) * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
            return pixels
    return None
