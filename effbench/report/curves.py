"""How a metric came down (or up) with time while a method worked, sample by sample, for any picture of it.

A task keeps curves as arrays of its scores: ``curve_s`` [T], ``curve_<metric>`` [T] for one or more of its metrics, and
``goal_<metric>`` [1] where there is a value to reach. They are drawn as running means, the noise of single steps left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.errors import StoreError
from effbench.inside import Root, root_of
from effbench.legible import legible
from effbench.parts import ARRAY, may_hold, named_in
from effbench.raw import RawCell
from effbench.record import CellRecord
from effbench.report.columns import Column, has_several_places, recorded
from effbench.report.summarise import WorkloadCells, names_of
from effbench.stats.curves import first_within, running_mean

CURVE, GOAL, TIME = "curve_", "goal_", "curve_s"
"""How arrays of scores are named that hold a curve of a metric, the value to reach, and the seconds of both."""
MOST_POINTS = 400
"""Points of a drawn curve, evenly on a logarithmic axis of steps: a panel is about 800 pixels wide."""
MOST_BEFORE = 30
"""How many times earlier than the first step the time axis may begin: one and a half decades, a third of most runs."""

BELOW = "at or below 0, which a logarithmic axis does not hold"
ABSENT = "keeps no curve of this sample"
UNUSABLE = "its curve is no finite values at times in order"
"""Why a method has no line in a picture."""


@dataclass(frozen=True)
class MetricCurve:
    """One method's values [P] over seconds [P] since it was given the sample; a single point is one that needs no steps.

    ``reached_s`` is when its running mean was at the goal for good; None without a goal, and where it never was.
    """

    name: str
    cell: CellRecord
    seconds: Array
    values: Array
    reached_s: float | None = None


@dataclass(frozen=True)
class CurvePicture:
    """The curves of one sample and metric; ``left_out`` is (method, reason) of the cells that have none to draw."""

    title: str
    sample_id: str
    seed: int
    column: Column
    goal: float | None
    curves: tuple[MetricCurve, ...]
    left_out: tuple[tuple[str, str], ...]
    is_logarithmic: bool

    @property
    def heading(self) -> str:
        """Return the workload's title, with the sample and seed where it does not say them."""
        known = self.sample_id in self.title
        parts = [self.title, *([] if known else [self.sample_id]), *([f"seed {self.seed}"] if self.seed else [])]
        return " ".join(parts)

    @property
    def goal_text(self) -> str:
        """Return what the line of the goal says; ``""`` without one."""
        return "" if self.goal is None else f"goal {self.goal:.3g} {self.column.unit}".rstrip()

    @property
    def span_s(self) -> tuple[float, float]:
        """Return the seconds to draw: all curves, and what needs no steps as far as that does not squeeze them."""
        starts = [float(curve.seconds[0]) for curve in self.curves]
        stepping = [float(curve.seconds[0]) for curve in self.curves if len(curve.values) > 1]
        first = max(min(starts), min(stepping) / MOST_BEFORE) if stepping else min(starts) / 2
        return first, 1.1 * max(float(curve.seconds[-1]) for curve in self.curves)


def curve_pictures(workload: WorkloadCells, metric: str | None = None) -> tuple[CurvePicture, ...]:
    """Return a picture per sample and seed; empty where no cell keeps curves, or their times cannot be compared.

    ``metric`` is one of ``curve_columns``, by default the first.
    """
    kept = _all_kept(workload)
    columns = _columns(workload, kept)
    if not columns or has_several_places(workload):
        return ()
    column = next((c for c in columns if c.name == metric), columns[0])
    keys = list(dict.fromkeys(key for found in kept for key, row in found.rows.items() if CURVE + column.name in row))
    return tuple(_picture(workload, kept, key, column) for key in keys)


def has_curves(workload: WorkloadCells) -> bool:
    """Return whether any cell seems to keep curves; no row is read for it."""
    return any(_may_keep(raw, root) for raw, root in _with_roots(workload))


def curve_columns(workload: WorkloadCells) -> tuple[Column, ...]:
    """Return the metrics that some cell keeps curves of, the primary one first."""
    return _columns(workload, _all_kept(workload))


Key = tuple[str, int]


class Kept(NamedTuple):
    """The curves of a cell: (sample id, seed) -> name -> array; and what is said of a sample that has none."""

    rows: dict[Key, dict[str, Array]]
    absent: str


def _all_kept(workload: WorkloadCells) -> list[Kept]:
    return [_kept(raw) if _may_keep(raw, root) else Kept({}, ABSENT) for raw, root in _with_roots(workload)]


def _with_roots(workload: WorkloadCells) -> Iterator[tuple[RawCell, Root]]:
    """Yield each cell with the store that it stands in, which is looked up once a store."""
    roots = {store: root_of(store) for store in set(workload.folders)}
    return ((raw, roots[store]) for raw, store in zip(workload.raw, workload.folders))


def _may_keep(raw: RawCell, root: Root) -> bool:
    return may_hold(f"{raw.path}/samples", ARRAY + TIME, root, named_in(raw.record.files, "samples"))


def _columns(workload: WorkloadCells, kept: list[Kept]) -> tuple[Column, ...]:
    names = {name for found in kept for row in found.rows.values() for name, values in row.items() if values.size}
    return tuple(column for column in recorded(workload) if CURVE + column.name in names)


def _kept(raw: RawCell) -> Kept:
    """Return the curves that a cell keeps."""
    try:
        found = raw.rows()
    except StoreError as error:
        return Kept({}, str(error))
    arrays = {n: v for n, v in found.scores.arrays.items() if n.startswith((CURVE, GOAL))} if found is not None else {}
    if found is None or TIME not in arrays:
        return Kept({}, ABSENT)
    rows = {
        key: {name: np.asarray(values[row], np.float64) for name, values in arrays.items()}
        for row, key in enumerate(zip(map(legible, found.ids), found.seeds))
    }
    return Kept(rows, ABSENT)


def _is_curve(seconds: Array, values: Array) -> bool:
    """Return whether values [T] stand at seconds [T] that are finite, above 0 and in order."""
    fits = seconds.ndim == 1 and seconds.shape == values.shape and np.isfinite(values).all()
    return bool(fits and np.isfinite(seconds).all() and seconds[0] > 0 and (np.diff(seconds) >= 0).all())


def _picture(workload: WorkloadCells, kept: list[Kept], key: Key, column: Column) -> CurvePicture:
    drawn, left_out, goal = [], [], None
    for cell, found, name in zip(workload.cells, kept, names_of(workload)):
        row = found.rows.get(key, {})
        values = row.get(CURVE + column.name, np.empty(0))
        if not values.size:
            left_out.append((name, found.absent))
            continue
        if not _is_curve(row[TIME], values):
            left_out.append((name, UNUSABLE))
            continue
        reached = row.get(GOAL + column.name, np.empty(0)).ravel()
        own = float(reached[0]) if reached.size and np.isfinite(reached[0]) else None
        goal = goal if own is None else own
        when = None if own is None else _reached(column, row[TIME], values, own)
        drawn.append(MetricCurve(name, cell, *_thinned(row[TIME], values), when))
    # What never was above zero is an exact answer; what usually is, has a logarithm.
    is_logarithmic = all(np.median(curve.values) > 0 for curve in drawn if len(curve.values) > 1)
    if is_logarithmic:
        left_out += [(curve.name, BELOW) for curve in drawn if not (curve.values > 0).any()]
        drawn = [curve for curve in drawn if (curve.values > 0).any()]
    return CurvePicture(workload.title, *key, column, goal, tuple(drawn), tuple(left_out), is_logarithmic)


def _reached(column: Column, seconds: Array, values: Array, goal: float) -> float | None:
    """Return when a curve was at its goal for good, on the better side of it; None where it never was."""
    sign = -1 if column.higher_is_better else 1
    when = first_within(seconds, sign * values, sign * goal)
    return when if np.isfinite(when) else None


def _thinned(seconds: Array, values: Array) -> tuple[Array, Array]:
    means = running_mean(values)
    places = np.unique(np.geomspace(1, len(means), MOST_POINTS).round().astype(int)) - 1
    return seconds[places + len(values) - len(means)], means[places]
