"""The raw rows behind the numbers of a finished cell: the one reader of comparisons, pictures and gates.

A record says what a number is; whether two methods differ in it is told by the rows that both have: scores by (seed, sample),
resamples of the same groups, medians of the same rounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from effbench.api import Metric
from effbench.arrays import Array
from effbench.catalogue import SPEEDUP, companion_of, entry_of
from effbench.numbers.parts import Rows, keys_of
from effbench.parts import ARRAY, SHAPE, KeptOutputs, groups_of, named_files, named_in, read_parts, scores_of
from effbench.record import CellRecord, Number
from effbench.replicates import Replicates, read_replicates
from effbench.setting import Setting
from effbench.stats.bootstrap import Interval
from effbench.stats.resampled import Resampled, combined, resampled_interval
from effbench.store import SAMPLE_KEY, SETTING, CellFolder
from effbench.timings import Timings, rounds_of

CENTRED, CENTRED_ROOT, WITH_TRAININGS = "bootstrap_centred", "bootstrap_centred_root", "_and_trainings"
"""How ``Number.ci_method`` says that a metric is of a whole set and not below zero, and that trainings were resampled too."""


@dataclass(frozen=True)
class RawCell:
    """A finished cell with the folder of its raw parts, and the batch sizes it was timed at, the primary one first.

    Every method raises ``StoreError`` where a part is damaged. Of tables those are read that the record names, if it names
    any, and their hashes are compared with it: what is shown is what the numbers were made from.
    """

    record: CellRecord
    path: Path
    batch_sizes: tuple[int, ...] = ()

    def unread(self) -> RawCell:
        """Return the cell without what was read of it: whoever goes through many would keep all of their raw parts."""
        return replace(self)

    @cached_property
    def folder(self) -> CellFolder:
        """Return the files of the cell."""
        return CellFolder(self.path)

    @cached_property
    def setting(self) -> Setting | None:
        """Return what was asked of the cell; None in a store of before schema 3."""
        if (sha := self.record.files.get(SETTING)) is not None:
            named_files(self.path, {SETTING: sha})
        return self.folder.setting()

    @cached_property
    def scalars(self) -> Rows | None:
        """Return the rows of quality that count, without their arrays."""
        return self.rows(arrays=False)

    def rows(self, *, arrays: bool = True) -> Rows | None:
        """Return the rows of quality under the seeds of the record, of the samples that its numbers are of.

        A store of before schema 3 does not say which those are: all that it holds. None without a table of samples.
        """
        table = read_parts(self.folder.samples, SAMPLE_KEY, named=named_in(self.record.files, "samples"))
        if table is None:
            return None
        if not arrays:
            table = table.drop_columns([name for name in table.column_names if name.startswith((ARRAY, SHAPE))])
        seeds = set(self.record.seeds)
        samples = set(self.setting.samples) if self.setting is not None else None
        keys = keys_of(table)
        keep = [i for i, (seed, sample) in enumerate(keys) if seed in seeds and (samples is None or sample in samples)]
        if len(keep) < len(keys):
            table = table.take(keep)
        keys = [keys[i] for i in keep]
        return Rows(
            scores_of(table), tuple(key[1] for key in keys), tuple(groups_of(table)), tuple(key[0] for key in keys)
        )

    def clusters_of(self, number: Number) -> int:
        """Return the number of independent units that a quality number is of: the groups with a sample in its slice."""
        rows = self.scalars if number.slice else None
        if rows is not None:
            within = rows.scores.within(metric_of(number))
            return len({group for group, inside in zip(rows.groups, within) if inside})
        return self.record.n_groups or self.record.n_samples

    def is_of_set(self, number: Number) -> bool:
        """Return whether a quality number is of a whole set of samples, so that no single sample has a score of it."""
        declared = self.setting.declared.metrics if self.setting is not None else ()
        per = next((metric.per for metric in declared if metric.metric.key == number.name), None)
        return per == "set" if per else how_of(number) in (CENTRED, CENTRED_ROOT)

    @cached_property
    def replicates(self) -> Replicates | None:
        """Return the bootstrap replicates of the cell's quality, or None where it kept none."""
        return read_replicates(self.folder, named_in(self.record.files, "draws"))

    def resampled(self, number: Number) -> Resampled | None:
        """Return a quality number under resampling, or None where it was not resampled."""
        found = self.replicates
        return found.of_metric(number.name, number.value) if found is not None and number.value is not None else None

    def batch_size_of(self, name: str) -> int | None:
        """Return the batch size that a latency number is of: that behind ``@b``, else the first of the suite."""
        _, at, size = name.partition("@b")
        return int(size) if at else next(iter(self.batch_sizes), None)

    def rounds(self, name: str) -> dict[str, Timings]:
        """Return round -> timings at the batch size of a latency number, on the machine of the record."""
        return self._rounds_in(self.folder, self.record, name)

    def rounds_of_reference(self, name: str) -> dict[str, Timings]:
        """Return the same of the reference that the cell was run beside; empty without one."""
        folder = self.reference_folder
        return {} if folder is None else self._rounds_in(folder, folder.record(), name)

    @property
    def reference_folder(self) -> CellFolder | None:
        """Return the folder of the reference that the cell was run beside."""
        beside = self.record.reference_cell
        return None if beside is None else CellFolder(self.path.parent / beside)

    def is_beside(self, other: RawCell) -> bool:
        """Return whether the other stands in the same store: rounds are named, and references run, within one."""
        return self.path.parent == other.path.parent

    def _rounds_in(self, folder: CellFolder, record: CellRecord | None, name: str) -> dict[str, Timings]:
        size = self.batch_size_of(name)
        if size is None:
            return {}
        named = named_in(record.files, "timings") if record is not None else None
        return dict(sorted(rounds_of(folder, size, self.record.provenance.machine, named).items()))

    def previews(self) -> KeptOutputs:
        """Return the pictures that were kept to look at, read one by one."""
        return KeptOutputs(self.folder.previews)


def metric_of(number: Number) -> Metric:
    """Return the metric that a quality number is of, as far as a record says."""
    name = number.name.removesuffix(f"[{number.slice}]") if number.slice else number.name
    return Metric(name, number.unit, number.higher_is_better, slice=number.slice)


def how_of(number: Number) -> str:
    """Return how the interval of a number was made, whether or not trainings were resampled too."""
    return number.ci_method.removesuffix(WITH_TRAININGS)


class RatioToReference(NamedTuple):
    """A number divided by the reference's, with its interval where there is one."""

    value: float
    low: float | None
    high: float | None


def ratio_by_rounds(record: CellRecord, number: Number) -> RatioToReference | None:
    """Return a latency, or the calls a second, divided by the reference's within the rounds that both share.

    That is what the speed-up of its batch size says; None of a number that it does not speak of, and without a speed-up.
    """
    name = companion_of(number.name)
    speedup = next((other for other in record.numbers if other.name == name), None)
    entry = entry_of(number.name)
    if entry is None or entry.companion != SPEEDUP or entry.name == SPEEDUP or speedup is None or not speedup.value:
        return None
    low, high = speedup.ci_low, speedup.ci_high
    if number.higher_is_better:
        return RatioToReference(speedup.value, low, high)
    return RatioToReference(1 / speedup.value, 1 / high if high else None, 1 / low if low else None)


def ratio_interval(ours: RawCell, theirs: RawCell, on_ours: Number, on_theirs: Number, level: float) -> Interval | None:
    """Return the interval of a quality divided by another cell's, over the resamples and trainings that both share.

    On the scale of logarithms where nothing is at or below zero, so that the ratio stays above it too. None where the two
    were not resampled alike, or a resample has no ratio.
    """
    a, b = ours.resampled(on_ours), theirs.resampled(on_theirs)
    joint = (
        ours.replicates is not None and theirs.replicates is not None and ours.replicates.joint_with(theirs.replicates)
    )
    if a is None or b is None or not joint:
        return None
    clusters = min(ours.clusters_of(on_ours), theirs.clusters_of(on_theirs))
    is_positive = not any(
        (values <= 0).any() for one in (a, b) for values in (one.replicates, one.left_out, one.crossed)
    )
    if is_positive and a.value > 0 and b.value > 0:
        found = resampled_interval(combined(a, b, _log_ratio), level, clusters=clusters, is_set=True)
        return None if found is None else Interval(float(np.exp(found.low)), float(np.exp(found.high)))
    if not (b.replicates != 0).all() or b.value == 0:
        return None
    return resampled_interval(combined(a, b, np.divide), level, clusters=clusters, is_set=True)


def _log_ratio(above: Array, below: Array) -> Array:
    return np.log(above) - np.log(below)
