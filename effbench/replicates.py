"""The bootstrap replicates of a cell's quality: every metric on every resample, so that two cells can be compared in pairs.

Resample b takes the same groups in every cell that has the same samples (``stats.bootstrap.cluster_weights`` depends on
their number and a seed only), so the difference of row b of two cells is one replicate of their paired difference. This also
serves metrics of a whole set, for which there is no score per sample to pair. Where each seed was prepared by itself, the
values without one training each stand beside them (``stats.resampled``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from effbench.arrays import Array
from effbench.inside import damaged
from effbench.parts import named_files, part_files, read_part, write_part
from effbench.stats.resampled import Resampled
from effbench.store import CellFolder

STEM, TRAININGS = "quality", "trainings"


@dataclass(frozen=True)
class Replicates:
    """``values[metric]`` is float64 [resamples], NaN where undefined; ``clusters`` names the samples that were resampled.

    Of S trainings, ``left_out[metric]`` [S] are the values without one each and ``crossed[metric]`` [S, K] those on the first
    K resamples; both are empty where one artifact serves all.
    """

    values: Mapping[str, Array]
    clusters: str
    left_out: Mapping[str, Array] = field(default_factory=dict)
    crossed: Mapping[str, Array] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Mapping[str, Resampled], clusters: str) -> Replicates:
        """Return what a store keeps of resampled metrics."""
        several = {name: one for name, one in found.items() if len(one.left_out)}
        return cls(
            {name: one.replicates for name, one in found.items()},
            clusters,
            {name: one.left_out for name, one in several.items()},
            {name: one.crossed for name, one in several.items()},
        )

    def of_metric(self, name: str, value: float) -> Resampled | None:
        """Return a metric as the statistics take it, given its value; None where it was not resampled."""
        if name not in self.values:
            return None
        nothing = np.zeros(0)
        left_out, crossed = self.left_out.get(name, nothing), self.crossed.get(name, nothing.reshape(0, 0))
        return Resampled(value, self.values[name], left_out, crossed)

    def joint_with(self, other: Replicates) -> bool:
        """Return whether the rows of both are the same resamples of the same samples, and as many trainings or none."""
        trainings = {len(next(iter(one.left_out.values()), ())) for one in (self, other)} - {0}
        return self.clusters == other.clusters and self.resamples == other.resamples and len(trainings) < 2

    @property
    def resamples(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.values.values()), ()))


def cluster_hash(ids: Sequence[str], seeds: Sequence[int], groups: Sequence[str] | None = None) -> str:
    """Return the hash that two cells share where they ran on the same samples, grouped alike, under the same seeds."""
    named = set(ids) if groups is None else {i if i == g else f"{i}\1{g}" for i, g in zip(ids, groups)}
    text = "\0".join([*sorted(named), *map(str, sorted(set(seeds)))])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_replicates(folder: CellFolder, found: Replicates) -> list[Path]:
    """Write the replicates of a cell, remove older ones, and return the files; raise ``StoreError`` where that fails."""
    parts = folder.path / "draws"
    written = [write_part(parts, STEM, dict(found.values), {"clusters": found.clusters})]
    if found.left_out:
        columns = {name: np.column_stack([own, found.crossed[name]]).ravel() for name, own in found.left_out.items()}
        trainings = len(next(iter(found.left_out.values())))
        written.append(write_part(parts, TRAININGS, columns, {"trainings": json.dumps(trainings)}))
    for old in part_files(parts)[0]:
        if old not in written:
            old.unlink()
    return written


def read_replicates(folder: CellFolder, named: Mapping[str, str] | None = None) -> Replicates | None:
    """Return the replicates of a cell, or None where it has none (a store of before schema 2, a single sample).

    With ``named`` (file -> sha256) from those files alone. Raises ``StoreError`` where they cannot be read.
    """
    parts = folder.path / "draws"
    found = part_files(parts)[0] if named is None else named_files(parts, named)
    files = {file.name.partition(".")[0]: file for file in found}
    if STEM not in files:
        return None
    values, metadata = _columns(files[STEM])
    clusters = metadata.get(b"clusters", b"").decode(errors="replace")
    if TRAININGS not in files:
        return Replicates(values, clusters)
    flat, metadata = _columns(files[TRAININGS])
    try:
        tables = {name: column.reshape(int(metadata[b"trainings"]), -1) for name, column in flat.items()}
    except (KeyError, ValueError) as error:
        raise damaged(files[TRAININGS], error) from None
    return Replicates(
        values,
        clusters,
        {name: table[:, 0] for name, table in tables.items()},
        {name: table[:, 1:] for name, table in tables.items()},
    )


def _columns(file: Path) -> tuple[dict[str, Array], Mapping[bytes, bytes]]:
    import pyarrow as pa

    table = read_part(file)
    try:
        return {name: table[name].cast("double").to_numpy() for name in table.column_names}, table.schema.metadata or {}
    except pa.ArrowException as error:
        raise damaged(file, error) from None
