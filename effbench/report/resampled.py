"""Joint draws of the methods of a workload: row b is one world in which all of them ran on the same samples and rounds.

Quality comes from the bootstrap draws that cells keep (``effbench.draws``). Speed comes from the log ratios to the
reference, round by round: a draw is their mean plus a random combination of their deviations, scaled so that each method's
draws follow exactly the t distribution of its printed interval (resampling three rounds with replacement would be far too
narrow), and methods that share rounds share the randomness. What is counted rather than sampled (FLOPs, parameters) is
taken as it is; what was measured once (peak memory, preparation, energy) has no draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from effbench.draws import Draws, read_draws
from effbench.errors import StoreError
from effbench.record import CellRecord, Number
from effbench.report.columns import Column
from effbench.report.rounds import batch_size_of, log_ratios, round_medians
from effbench.report.summarise import Source, Workload, number_of
from effbench.stats.bootstrap import centred
from effbench.stats.pareto import probability_non_dominated
from effbench.stats.rank import rank_stability
from effbench.stats.ratio import LEAST_ROUNDS
from effbench.store import CellFolder

Array = np.ndarray[Any, Any]
Member = tuple[CellRecord, Source]

RESAMPLES = 2000
"""Draws of speed where no quality draws say how many there are."""

EXACT = frozenset({"gflop_per_sample", "gbyte_per_sample", "flop_per_byte", "parameter_mb"})
LEAST_FINITE = 0.99
MOST_METHODS = 200
"""Above this many methods nothing is resampled: reading their raw material would take longer than anyone waits."""


class Joint(NamedTuple):
    """Draws [methods, resamples], or None and why they are missing."""

    values: Array | None
    missing: str = ""


class Chances(NamedTuple):
    """A probability per method, or None and why there is none."""

    values: tuple[float | None, ...]
    missing: str = ""


def members_of(workload: Workload, cells: Sequence[CellRecord]) -> list[Member]:
    """Return some cells of a workload with their sources."""
    sources = {id(cell): source for cell, source in zip(workload.cells, workload.sources)}
    return [(cell, sources[id(cell)]) for cell in cells]


def chances_on_front(members: Sequence[Member], x: Column, y: Column) -> Chances:
    """Return for each method the probability that no other one is at least as good on both axes and better on one."""
    nothing = (None,) * len(members)
    if len(members) < 2:
        return Chances(nothing)
    if len(members) > MOST_METHODS:
        return Chances(nothing, f"more than {MOST_METHODS} methods")
    if is_exact(x) and is_exact(y):
        return Chances(nothing, "both numbers were counted, not sampled")
    drawn = [joint_draws(members, column) for column in (x, y)]
    for joint in drawn:
        if joint.missing:
            return Chances(nothing, joint.missing)
    across, upright = _as_long_as_each_other(*(joint.values for joint in drawn if joint.values is not None))
    chances = probability_non_dominated(across, upright, _drawn_higher(x), _drawn_higher(y))
    return Chances(tuple(float(chance) for chance in chances))


def stability_of(workload: Workload, column: Column) -> Chances:
    """Return for each cell the share of resamples in which it keeps its rank by a quality metric."""
    nothing: tuple[float | None, ...] = (None,) * len(workload.cells)
    if len(workload.cells) > MOST_METHODS:
        return Chances(nothing, f"more than {MOST_METHODS} methods")
    having = [i for i, cell in enumerate(workload.cells) if _value(cell, column) is not None]
    if len(having) < 2:
        return Chances(nothing, "fewer than two methods have the number")
    joint = joint_draws(members_of(workload, [workload.cells[i] for i in having]), column)
    if joint.values is None:
        return Chances(nothing, joint.missing)
    shares = dict(zip(having, rank_stability(joint.values, column.higher_is_better)))
    return Chances(tuple(float(shares[i]) if i in shares else None for i in range(len(workload.cells))))


def joint_draws(members: Sequence[Member], column: Column) -> Joint:
    """Return the draws of a number of cells that all have it; of a latency those of the speed-up, where more is better."""
    if column.axis == "quality":
        return quality_draws(members, column.name)
    if column.axis == "latency":
        return speed_draws(members, column.name)
    if is_exact(column):
        values = np.array([_value(cell, column) for cell, _ in members], np.float64)
        return Joint(values[:, None])
    return Joint(None, f"{column.label} was measured once")


def is_exact(column: Column) -> bool:
    """Return whether a number is counted and comes out the same each time."""
    return column.name in EXACT


def quality_draws(members: Sequence[Member], name: str) -> Joint:
    """Return the bootstrap draws of a quality metric, of the same resamples of the same samples in every row."""
    found: list[Draws] = []
    for cell, source in members:
        try:
            draws = read_draws(CellFolder(source.folder))
        except StoreError as error:
            return Joint(None, str(error))
        if draws is None or name not in draws.values:
            return Joint(None, f"{cell.method_id} kept no resamples")
        if found and not draws.joint_with(found[0]):
            return Joint(None, f"{cell.method_id} ran on other samples than {members[0][0].method_id}")
        found.append(draws)
    rows = np.array([draws.values[name] for draws in found], np.float64)
    finite = np.isfinite(rows).all(axis=0)
    if not finite.size or finite.mean() < LEAST_FINITE:
        return Joint(None, "the metric is not defined on some resamples")
    rows = rows[:, finite]
    numbers = [number_of(cell, name) for cell, _ in members]
    return Joint(np.array([_placed(row, number, turn) for turn, (row, number) in enumerate(zip(rows, numbers))]))


def speed_draws(members: Sequence[Member], name: str, resamples: int = RESAMPLES) -> Joint:
    """Return draws of the log speed-up over the reference at the batch size of a latency number."""
    generator = np.random.default_rng(0)
    normal: dict[tuple[Path, str], Array] = {}  # (reference, round) -> what its methods share
    scale: dict[tuple[tuple[Path, str], ...], Array] = {}
    rows = []
    medians = _Medians(name)
    for cell, source in members:
        if cell.role == "reference":
            rows.append(np.zeros(resamples))
            continue
        try:
            ratios = medians.log_speedups(cell, source)
        except StoreError as error:
            return Joint(None, str(error))
        count = len(ratios)
        if count < LEAST_ROUNDS:
            return Joint(None, f"{cell.method_id} shares fewer than {LEAST_ROUNDS} rounds with the reference")
        keys = tuple((reference_folder(cell, source), round_id) for round_id in ratios)
        for key in keys:
            if key not in normal:
                normal[key] = generator.standard_normal(resamples)
        if keys not in scale:
            scale[keys] = np.sqrt((count - 1) / generator.chisquare(count - 1, resamples))
        logs = np.array(list(ratios.values()))
        spread = (logs - logs.mean()) @ np.array([normal[key] for key in keys]) / np.sqrt(count * (count - 1))
        rows.append(logs.mean() + spread * scale[keys])
    return Joint(np.array(rows))


def reference_folder(cell: CellRecord, source: Source) -> Path:
    """Return the folder of the reference that a cell was run beside."""
    return source.folder.parent / str(cell.reference_cell)


class _Medians:
    """Per-round medians at the batch size of one latency number; each cell is read once."""

    def __init__(self, name: str) -> None:
        self.name, self.known = name, dict[tuple[Path, str], dict[str, float]]()

    def log_speedups(self, cell: CellRecord, source: Source) -> dict[str, float]:
        """Return round -> log(reference / cell)."""
        size = batch_size_of(self.name, source.batch_sizes)
        if size is None or cell.reference_cell is None:
            return {}
        folders = (reference_folder(cell, source), source.folder)
        reference, own = (self._of(folder, size, cell.provenance.machine) for folder in folders)
        return log_ratios(reference, own)

    def _of(self, folder: Path, size: int, machine: str) -> dict[str, float]:
        if (folder, machine) not in self.known:
            self.known[folder, machine] = round_medians(CellFolder(folder), size, machine)
        return self.known[folder, machine]


def _placed(row: Array, number: Number | None, turn: int) -> Array:
    """Return draws moved as the number's interval is: centred on the value, or with the width that a share has at 0 and 1.

    The bootstrap of a share that is 0 or 1 in every sample never varies, which Wilson's interval corrects; here one more
    sample of unknown outcome (Beta(1/2, 1/2), Jeffreys' prior) does, for each method by itself.
    """
    if number is None or number.value is None:
        return row
    if number.ci_method.startswith("bootstrap_centred"):
        return centred(row, number.value, number.ci_method == "bootstrap_centred_root")
    if number.ci_method == "wilson":
        generator = np.random.default_rng([turn])
        return np.asarray((number.n * row + generator.beta(0.5, 0.5, len(row))) / (number.n + 1))
    return row


def _as_long_as_each_other(across: Array, upright: Array) -> tuple[Array, Array]:
    """Return both draws with as many resamples as the shorter one that varies; a constant is repeated."""
    length = min(row.shape[1] for row in (across, upright) if row.shape[1] > 1)
    a, b = (row[:, :length] if row.shape[1] > 1 else np.repeat(row, length, axis=1) for row in (across, upright))
    return a, b


def _drawn_higher(column: Column) -> bool:
    return True if column.axis == "latency" else column.higher_is_better


def _value(cell: CellRecord, column: Column) -> float | None:
    number = number_of(cell, column.name)
    return None if number is None else number.value
