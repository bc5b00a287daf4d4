"""Joint replicates of a workload's methods: column b is one world in which all of them ran on the same samples and rounds.

Quality comes from the bootstrap replicates that cells keep (``effbench.replicates``), with what trainings add. Speed comes
from the log ratios to the reference, by round and item: a replicate is their mean plus a random combination of their
deviations, scaled so that each method's replicates follow exactly the t distribution of its printed interval (resampling
three rounds with replacement would be far too narrow), and methods that share rounds and items share the randomness. What is
counted rather than sampled (FLOPs, parameters), or computed by a method about itself, is taken as it is; what was measured
once (peak memory, preparation, energy) has no replicates.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from effbench.arrays import Array
from effbench.catalogue import SPEEDUP, companion_of, entry_of, is_exact
from effbench.errors import StoreError
from effbench.raw import CENTRED_ROOT, RawCell, how_of
from effbench.record import Number
from effbench.report.columns import FACTS, Column
from effbench.report.speed import Rounds, shared_logs
from effbench.report.summarise import WorkloadCells, number_of
from effbench.stats.items import log_mean
from effbench.stats.pareto import nearest_to_front, probability_non_dominated
from effbench.stats.rank import rank_stability
from effbench.stats.ratio import LEAST_ROUNDS
from effbench.stats.resampled import Resampled, placed, replicates_with_trainings

RESAMPLES = 2000
"""Replicates of speed: twice as many as a suite's bootstrap has by default, since they cost next to nothing."""

LEAST_FINITE = 0.99
"""Share of resamples on which a metric must be defined; the statistics take as many for an interval (``interval_of``)."""

MOST_METHODS = 200
"""Methods whose raw material is read for one picture or table: more would take longer than anyone waits."""

NEAREST = 100
"""Of more methods, how many have a probability of being on the front: about half a second's reading. Who stands behind a
hundred others, layer by layer, is not near it."""


class JointReplicates(NamedTuple):
    """Replicates [methods, resamples], or None and why they are missing."""

    values: Array | None
    missing: str = ""


class Probabilities(NamedTuple):
    """A probability per method, or None and why there is none; ``among`` how many methods they are of where not of all."""

    values: tuple[float | None, ...]
    missing: str = ""
    among: int = 0


def probabilities_on_front(cells: Sequence[RawCell], x: Column, y: Column) -> Probabilities:
    """Return for each method the probability that no other one is at least as good on both axes and better on one.

    All cells must have both numbers. Of more than ``MOST_METHODS`` the ``NEAREST`` to the front are taken, layer by layer,
    and each probability is among these; the others have none.
    """
    if len(cells) <= MOST_METHODS:
        return _on_front(cells, x, y)
    across, upright = (np.array([_value(raw, column) for raw in cells], np.float64) for column in (x, y))
    nearest = nearest_to_front(across, upright, x.higher_is_better, y.higher_is_better, NEAREST)
    found = _on_front([cells[place] for place in nearest], x, y)
    known = dict(zip(nearest.tolist(), found.values))
    return Probabilities(tuple(known.get(place) for place in range(len(cells))), found.missing, NEAREST)


def _on_front(cells: Sequence[RawCell], x: Column, y: Column) -> Probabilities:
    nothing = (None,) * len(cells)
    if len(cells) < 2:
        return Probabilities(nothing)
    if _is_given(x) and _is_given(y):
        return Probabilities(nothing, "neither number was sampled")
    unread = [raw.unread() for raw in cells]
    found = [joint_replicates(unread, column, RESAMPLES) for column in (x, y)]
    for joint in found:
        if joint.missing:
            return Probabilities(nothing, joint.missing)
    across, upright = _as_long_as_each_other(*(joint.values for joint in found if joint.values is not None))
    shares = probability_non_dominated(across, upright, _is_higher_better(x), _is_higher_better(y))
    return Probabilities(tuple(float(share) for share in shares))


def stability_of(workload: WorkloadCells, column: Column) -> Probabilities:
    """Return for each cell the share of resamples in which it keeps its rank by a quality metric."""
    nothing: tuple[float | None, ...] = (None,) * len(workload.cells)
    if len(workload.cells) > MOST_METHODS:
        return Probabilities(nothing, f"more than {MOST_METHODS} methods")
    having = [at for at, raw in enumerate(workload.raw) if _value(raw, column) is not None]
    if len(having) < 2:
        return Probabilities(nothing, "fewer than two methods have the number")
    joint = joint_replicates([workload.raw[at].unread() for at in having], column)
    if joint.values is None:
        return Probabilities(nothing, joint.missing)
    shares = dict(zip(having, map(float, rank_stability(joint.values, column.higher_is_better))))
    return Probabilities(tuple(shares.get(at) for at in range(len(workload.raw))))


def joint_replicates(cells: Sequence[RawCell], column: Column, most: int | None = None) -> JointReplicates:
    """Return the replicates of a number that all cells have; of a latency those of the speed-up, where more is better.

    ``most`` bounds how many of a cell's own resamples are taken.
    """
    if column.axis == "quality":
        return quality_replicates(cells, column.name, most)
    if _is_by_rounds(column):
        return speed_replicates(cells, column.name)
    if _is_given(column):
        values = np.array([_value(raw, column) for raw in cells], np.float64)
        return JointReplicates(values[:, None])
    why = "is a quantile of its calls, which say nothing of pairs" if companion_of(column.name) else "was measured once"
    return JointReplicates(None, f"{column.label} {why}")


def quality_replicates(cells: Sequence[RawCell], name: str, most: int | None = None) -> JointReplicates:
    """Return the replicates of a quality metric, of the same resamples of the same groups in every row, at most so many."""
    found: list[Array] = []
    for turn, raw in enumerate(cells):
        number = number_of(raw.record, name)
        try:
            ours, first = raw.replicates, cells[0].replicates
            metric = raw.resampled(number) if number is not None else None
            clusters = raw.clusters_of(number) if number is not None else 0
        except StoreError as error:
            return JointReplicates(None, str(error))
        if number is None or ours is None or first is None or metric is None:
            return JointReplicates(None, f"{raw.record.method_id} kept no resamples")
        if not ours.joint_with(first):
            return JointReplicates(
                None, f"{raw.record.method_id} ran on other samples than {cells[0].record.method_id}"
            )
        found.append(_varied(raw, metric, number, clusters, turn)[:most])
    rows = np.array(found, np.float64)
    finite = np.isfinite(rows).all(axis=0)
    if not finite.size or finite.mean() < LEAST_FINITE:
        return JointReplicates(None, "the metric is not defined on some resamples")
    return JointReplicates(rows[:, finite])


def _varied(raw: RawCell, metric: Resampled, number: Number, clusters: int, turn: int) -> Array:
    """Return the replicates of one method as the number's interval has them.

    Those of a set are centred on its value; trainings, of which each method has others, add what they add. The bootstrap of
    a share that is 0 or 1 in every sample never varies, which Wilson's interval corrects; here one more sample of unknown
    outcome (Beta(1/2, 1/2), Jeffreys' prior) does, for each method by itself.
    """
    generator = np.random.default_rng([turn])
    if raw.is_of_set(number):
        metric = placed(metric, how_of(number) == CENTRED_ROOT)
    varied = replicates_with_trainings(metric, generator, clusters=clusters)
    if how_of(number).startswith("wilson") or (number.unit == "share" and number.value in (0.0, 1.0)):
        return np.asarray((number.n * varied + generator.beta(0.5, 0.5, len(varied))) / (number.n + 1))
    return varied


def speed_replicates(cells: Sequence[RawCell], name: str, resamples: int = RESAMPLES) -> JointReplicates:
    """Return replicates of the log speed-up over the reference at the batch size of a latency number."""
    shared = _Randomness(resamples)
    beside: dict[tuple[Hashable, str], Rounds] = {}
    rows = []
    for raw in cells:
        if raw.record.role == "reference":
            rows.append(np.zeros(resamples))
            continue
        key = raw.reference_folder and raw.reference_folder.path, raw.record.provenance.machine
        try:
            if key not in beside:
                beside[key] = raw.rounds_of_reference(name)
            ours, theirs = raw.rounds(name), beside[key]
        except StoreError as error:
            return JointReplicates(None, str(error))
        beside_ours = shared_logs(theirs, ours)
        if len(beside_ours.rounds) < LEAST_ROUNDS:
            return JointReplicates(
                None, f"{raw.record.method_id} shares fewer than {LEAST_ROUNDS} rounds with the reference"
            )
        found = log_mean(beside_ours.values)
        rounds = [(*key, "round", name) for name in beside_ours.rounds]
        items = [(*key, "item", item) for item in beside_ours.items]
        of_rounds, of_items = found.shares()
        spread = of_rounds @ shared.normal(rounds) + of_items @ shared.normal(items)
        rows.append(found.value + spread * shared.scale(rounds, found.error.freedom if found.error else None))
    return JointReplicates(np.array(rows))


class _Randomness:
    """Random numbers that methods share by the name of what they share: a round, an item, a set of rounds."""

    def __init__(self, resamples: int) -> None:
        self._generator, self._resamples = np.random.default_rng(0), resamples
        self._normal: dict[Hashable, Array] = {}
        self._uniform: dict[Hashable, Array] = {}
        self._scale: dict[Hashable, Array] = {}

    def normal(self, names: Sequence[Hashable]) -> Array:
        """Return a standard normal per name and resample [names, resamples]."""
        for name in names:
            if name not in self._normal:
                self._normal[name] = self._generator.standard_normal(self._resamples)
        return np.array([self._normal[name] for name in names]).reshape(len(names), self._resamples)

    def scale(self, names: Sequence[Hashable], freedom: float | None) -> Array:
        """Return what makes a normal one of Student's t [resamples]; of the same rounds by the same quantiles."""
        from scipy.stats import chi2

        key = tuple(names)
        if freedom is None:
            return np.ones(self._resamples)
        if key not in self._uniform:
            self._uniform[key] = self._generator.uniform(size=self._resamples)
        if (key, freedom) not in self._scale:
            self._scale[key, freedom] = np.sqrt(freedom / chi2.ppf(self._uniform[key], freedom))
        return self._scale[key, freedom]


def _as_long_as_each_other(across: Array, upright: Array) -> tuple[Array, Array]:
    """Return both with as many resamples as the shorter one that varies; a constant is repeated."""
    length = min(row.shape[1] for row in (across, upright) if row.shape[1] > 1)
    a, b = (row[:, :length] if row.shape[1] > 1 else np.repeat(row, length, axis=1) for row in (across, upright))
    return a, b


def _is_by_rounds(column: Column) -> bool:
    entry = entry_of(column.name)
    return entry is not None and entry.companion == SPEEDUP


def _is_given(column: Column) -> bool:
    """Return whether a number comes out the same each time: it was counted, or a method says it of itself."""
    return is_exact(column.name) or column.axis == FACTS


def _is_higher_better(column: Column) -> bool:
    return _is_by_rounds(column) or column.higher_is_better


def _value(raw: RawCell, column: Column) -> float | None:
    number = number_of(raw.record, column.name)
    return None if number is None else number.value
