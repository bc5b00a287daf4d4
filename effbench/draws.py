"""The bootstrap draws of a cell's quality: every metric on every resample, so that two cells can be compared in pairs.

Resample b draws the same samples in every cell that has the same samples (``stats.bootstrap.cluster_weights`` depends on
their number and a seed only), so the difference of row b of two cells is one draw of their paired difference. This also
serves metrics of a whole set, for which there is no score per sample to pair.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from effbench.inside import damaged
from effbench.parts import part_files, read_part, write_part
from effbench.store import CellFolder

STEM = "quality"
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Draws:
    """``values[metric]`` is float64 [resamples], NaN where undefined; ``clusters`` names the samples that were drawn."""

    values: Mapping[str, Array]
    clusters: str

    def joint_with(self, other: Draws) -> bool:
        """Return whether the rows of both are the same resamples of the same samples."""
        return self.clusters == other.clusters and self.resamples == other.resamples

    @property
    def resamples(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.values.values()), ()))


def cluster_hash(ids: Sequence[str], seeds: Sequence[int]) -> str:
    """Return the hash that two cells share where they ran on the same samples under the same seeds."""
    text = "\0".join([*sorted(set(ids)), *map(str, sorted(set(seeds)))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_draws(folder: CellFolder, draws: Draws) -> Path:
    """Write the draws of a finished cell and remove older ones; raise ``StoreError`` where they cannot be saved."""
    written = write_part(folder.path / "draws", STEM, dict(draws.values), {"clusters": draws.clusters})
    for old in part_files(written.parent)[0]:
        if old != written:
            old.unlink()
    return written


def read_draws(folder: CellFolder) -> Draws | None:
    """Return the draws of a cell, or None where it has none (a store of before schema 2, a single sample).

    Raises ``StoreError`` where they cannot be read.
    """
    import pyarrow as pa

    files = part_files(folder.path / "draws")[0]
    if not files:
        return None
    table = read_part(files[-1])
    metadata = table.schema.metadata or {}
    try:
        values = {name: table[name].cast("double").to_numpy() for name in table.column_names}
    except pa.ArrowException as error:
        raise damaged(files[-1], error) from None
    return Draws(values, metadata.get(b"clusters", b"").decode(errors="replace"))
