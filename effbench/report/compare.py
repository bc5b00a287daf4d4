"""Two methods of a store side by side: in every number by how much they differ, how sure that is, and what it would take.

All differences are a - b and all ratios a / b. Quality is compared in pairs, time by ratios within rounds; what was
measured once is a bare ratio. Holm's correction runs over all tests of one comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, Literal

from effbench.errors import BadInput, nearest
from effbench.record import CellRecord, Number
from effbench.report.columns import label_of
from effbench.report.contrast import quality_difference
from effbench.report.resampled import Member, reference_folder
from effbench.report.rounds import batch_size_of, round_medians
from effbench.report.speed import rounds_needed, time_ratio
from effbench.report.summarise import failure_of, level_of, number_of, source_of
from effbench.stats.holm import holm
from effbench.stats.paired import samples_needed
from effbench.store import CellFolder, StoreView

DEFAULT_LEVEL = 0.95
MEDIAN = "latency_p50_ms"
USUAL = ("parameter_mb",)
"""Compared besides quality, median latencies and the primary numbers of memory and compute."""

SAME_AS_MEDIAN = frozenset({"speedup", "throughput_per_s"})
"""Numbers that say the same as the median latency in another form."""

Outcome = Literal["better", "worse", "undecided", "unknown"]


@dataclass(frozen=True)
class Row:
    """One number of both methods. ``value`` is a - b where ``kind`` is difference, a / b where it is ratio.

    ``n`` and ``n_needed`` count ``units`` (samples or rounds; ``""`` for a bare ratio, which has no interval). ``p_holm``
    is p after Holm's correction, and ``n_needed`` what a difference like this one takes to be found in spite of it.
    ``effect`` is the difference in standard deviations: of pairs of samples, or of log ratios of rounds. ``reason`` says
    what is missing and why.
    """

    number: str
    axis: str
    unit: str
    higher_is_better: bool
    primary: bool
    kind: Literal["difference", "ratio"]
    a: float | None = None
    b: float | None = None
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    effect: float | None = None
    n: int = 0
    n_needed: int | None = None
    units: str = ""
    how: str = ""
    reason: str = ""

    @property
    def label(self) -> str:
        """Return the number's name in words."""
        return label_of(self.number, self.unit, self.axis)

    def outcome(self, level: float) -> Outcome:
        """Return what a is against b: by p after Holm's correction, by the interval where there is no p."""
        if self.value is None or (self.p_holm is None and self.ci_low is None):
            return "unknown"
        nothing = 0.0 if self.kind == "difference" else 1.0
        if self.p_holm is not None:
            is_decided = self.p_holm <= 1 - level
        else:
            is_decided = not (self.ci_low or nothing) <= nothing <= (self.ci_high or nothing)
        if not is_decided or self.value == nothing:
            return "undecided"
        return "better" if (self.value > nothing) == self.higher_is_better else "worse"


@dataclass(frozen=True)
class Comparison:
    """Two cells of one task of a store, number by number."""

    suite: str
    task: str
    a: CellRecord
    b: CellRecord
    level: float
    rows: tuple[Row, ...]


def compare(view: StoreView, a: str, b: str, task: str | None = None, metrics: Sequence[str] = ()) -> Comparison:
    """Return the comparison of two methods, in all usual numbers or in those that are named.

    Raises ``BadInput`` in one sentence where a method, a task or a number is unknown, or a method is not finished.
    """
    ours, theirs = _cells(view, a, b, task)
    level = level_of(view) or DEFAULT_LEVEL
    members = [(cell, source_of(view, cell)) for cell in (ours, theirs)]
    rows = [_finite(_row(members[0], members[1], number, level)) for number in _numbers(ours, theirs, metrics)]
    adjusted = holm([row.p for row in rows])
    strict = 1 - (1 - level) / max(1, sum(row.p is not None for row in rows))
    tested = tuple(replace(row, p_holm=p, n_needed=_needed(row, strict)) for row, p in zip(rows, adjusted))
    return Comparison(view.suite, ours.task_id, ours, theirs, level, tested)


def _finite(row: Row) -> Row:
    """Return the row, without a value where that or what comes with it is too large for a float."""
    if all(value is None or isfinite(value) for value in (row.value, row.ci_low, row.ci_high, row.p, row.effect)):
        return row
    nothing: dict[str, Any] = dict.fromkeys(("value", "ci_low", "ci_high", "p", "effect"))
    return replace(row, **nothing, reason=f"the {row.kind} is larger than any number")


def _needed(row: Row, level: float) -> int | None:
    if row.effect is None:
        return None
    return samples_needed(row.effect, level) if row.units == "samples" else rounds_needed(row.effect, level)


def _cells(view: StoreView, a: str, b: str, task: str | None) -> tuple[CellRecord, CellRecord]:
    if a == b:
        raise BadInput(f"compare needs two different methods, not {a!r} twice")
    found = {(cell.task_id, cell.method_id): cell for cell in view.cells}
    tasks = list(dict.fromkeys(cell.task_id for cell in view.cells))
    if task is not None and task not in tasks:
        raise BadInput(f"no finished cell of task {task!r} in {view.path}{nearest(task, tasks)}")
    for method in (a, b):
        names = {name for where, name in found if task in (None, where)}
        if method not in names:
            unfinished = [label for label in view.unfinished if label.partition("/")[2] == method]
            if unfinished:
                raise BadInput(f"{unfinished[0]} is not finished yet; run its suite again to go on")
            raise BadInput(f"no method {method!r} in {view.path}{nearest(method, names)}")
    both = [name for name in tasks if (name, a) in found and (name, b) in found and task in (None, name)]
    if not both:
        raise BadInput(f"{a} and {b} ran on no task in common, so there is nothing to compare")
    if len(both) > 1:
        raise BadInput(f"{a} and {b} both ran on {', '.join(both)}; choose one with --task")
    return found[both[0], a], found[both[0], b]


def _numbers(a: CellRecord, b: CellRecord, metrics: Sequence[str]) -> list[Number]:
    """Return one number to compare per name, of either cell, those asked for or the usual ones."""
    every = {number.name: number for cell in (b, a) for number in cell.numbers}
    every = {name: n for name, n in every.items() if name.partition("@")[0] not in SAME_AS_MEDIAN}
    if metrics:
        for name in metrics:
            if name not in every:
                raise BadInput(f"--metric: no number {name!r} to compare{nearest(name, every)}")
        return [every[name] for name in dict.fromkeys(metrics)]
    order = ("quality", "latency", "memory", "compute")
    usual = [
        n
        for n in every.values()
        if n.axis == "quality"
        or n.name.partition("@")[0] == MEDIAN
        or n.name in USUAL
        or (n.primary and n.axis in ("memory", "compute"))
    ]
    return sorted(usual, key=lambda n: (order.index(n.axis), not n.primary))


def _row(a: Member, b: Member, number: Number, level: float) -> Row:
    kind: Literal["difference", "ratio"] = "difference" if number.axis == "quality" else "ratio"
    on_a, on_b = number_of(a[0], number.name), number_of(b[0], number.name)
    row = Row(number.name, number.axis, number.unit, number.higher_is_better, number.primary, kind)
    row = replace(row, a=on_a.value if on_a else None, b=on_b.value if on_b else None)
    why = [_null(cell, found) for cell, found in ((a[0], on_a), (b[0], on_b))]
    if missing := "; ".join(dict.fromkeys(filter(None, why))):
        return replace(row, reason=missing)
    assert on_a is not None
    assert on_b is not None
    if number.axis == "quality":
        found = quality_difference(a, b, on_a, on_b, level)
        low, high = found.interval or (None, None)
        row = replace(row, value=found.value, ci_low=low, ci_high=high, p=found.p, effect=found.effect)
        return replace(row, n=found.n, units="samples", how=found.how, reason=found.reason)
    if number.name.partition("@")[0] == MEDIAN:
        return _timed(row, a, b, level)
    if number.axis in ("latency", "energy", "preparation") and (why_not := _other_place(a[0], b[0])):
        return replace(row, reason=why_not)
    if not row.b:
        return replace(row, reason=f"{b[0].method_id} has a zero, which gives no ratio")
    return replace(row, value=(row.a or 0.0) / row.b, how="bare ratio")


def _timed(row: Row, a: Member, b: Member, level: float) -> Row:
    if why := _other_place(a[0], b[0]):
        return replace(row, reason=why)
    medians, references = [], []
    for cell, source in (a, b):
        size, machine = batch_size_of(row.number, source.batch_sizes), cell.provenance.machine
        if size is None:
            return replace(row, reason="the suite does not say the batch size")
        medians.append(round_medians(CellFolder(source.folder), size, machine))
        beside = CellFolder(reference_folder(cell, source))
        references.append({} if cell.reference_cell is None else round_medians(beside, size, machine))
    found = time_ratio(medians[0], medians[1], references[0], references[1], level)
    low, high = found.interval or (None, None)
    how = "rounds with the reference" if found.through_reference else "shared rounds"
    row = replace(row, value=found.value, ci_low=low, ci_high=high, p=found.p, effect=found.effect)
    return replace(row, n=found.rounds, units="rounds", how=how, reason=found.reason)


def _null(cell: CellRecord, number: Number | None) -> str:
    """Return why a cell has no such number, or ``""`` where it has."""
    if number is not None and number.value is not None:
        return ""
    if number is None:
        reason = failure_of(cell).reason if cell.status == "failed" else "not recorded"
    else:
        reason = number.reason or "error"
    return f"{cell.method_id}: {reason}"


def _other_place(a: CellRecord, b: CellRecord) -> str:
    """Return why times of two cells cannot be compared, or ``""``."""
    for word, ours, theirs in (
        ("machines", a.provenance.machine, b.provenance.machine),
        ("devices", a.provenance.device, b.provenance.device),
    ):
        if ours != theirs:
            return f"timed on different {word}: {ours} and {theirs}"
    return ""
