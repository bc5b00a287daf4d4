"""Two methods of a store side by side: in every number by how much they differ, how sure that is, and what it would take.

All differences are a - b and all ratios a / b. Quality is compared in pairs, time by ratios within rounds; what was
measured once is a bare ratio. Holm's correction runs over all tests of one comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Any, Literal, NamedTuple

from effbench.catalogue import COMPARED_AXES, MEDIAN, PARAMETERS, entry_of, is_timed
from effbench.counted import counted
from effbench.errors import BadInput, StoreError, nearest
from effbench.raw import RawCell
from effbench.record import CellRecord, Number
from effbench.report.columns import label_of
from effbench.report.contrast import quality_difference
from effbench.report.speed import rounds_needed, time_ratio
from effbench.report.summarise import failure_of, level_of, number_of, raw_cell
from effbench.stats.holm import holm
from effbench.store import StoreView

DEFAULT_LEVEL = 0.95
"""Of a store whose suite does not say one, as suites have it by default."""

Outcome = Literal["better", "worse", "undecided", "unknown"]


@dataclass(frozen=True)
class ComparisonRow:
    """One number of both methods. ``value`` is a - b where ``kind`` is difference, a / b where it is ratio.

    ``n`` and ``n_needed`` count ``units`` (samples, groups or rounds; ``""`` for a bare ratio, which has no interval).
    ``trainings`` and ``items`` are over how many trainings and timed items the interval is too, 0 where that is said of one
    only. ``p_holm`` is p after Holm's correction, and ``n_needed`` what a difference like this one takes to be found in spite
    of it. ``effect`` is the difference in standard deviations: of pairs of samples, or of log ratios of rounds. ``reason``
    says what is missing and why, or what has to be known beside it.
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
    trainings: int = 0
    items: int = 0
    how: str = ""
    reason: str = ""

    @property
    def n_text(self) -> str:
        """Return n with its units: ``8 groups, 5 trainings``; ``""`` for a bare ratio."""
        trainings = [counted(self.trainings, "training")] if self.trainings else []
        items = [counted(self.items, "item")] if self.items else []
        units = self.units.removesuffix("s") if self.n == 1 else self.units
        return ", ".join([f"{self.n} {units}", *trainings, *items]) if units else ""

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
    rows: tuple[ComparisonRow, ...]


def compare(view: StoreView, a: str, b: str, task: str | None = None, metrics: Sequence[str] = ()) -> Comparison:
    """Return the comparison of two methods, in all usual numbers or in those that are named.

    Raises ``BadInput`` in one sentence where a method, a task or a number is unknown, or a method is not finished.
    """
    ours, theirs = _cells(view, a, b, task)
    level = level_of(view) or DEFAULT_LEVEL
    return replace(compare_cells(raw_cell(view, ours), raw_cell(view, theirs), level, metrics), suite=view.suite)


def compare_cells(
    a: RawCell, b: RawCell, level: float, metrics: Sequence[str] = (), *, spares_damage: bool = False
) -> Comparison:
    """Return the comparison of two cells of one workload, be they of two stores.

    Raises ``StoreError`` where a raw part is damaged; with ``spares_damage`` the numbers that need it say so instead, and the
    others stand.
    """
    tested = _tested_or_damaged if spares_damage else _tested
    tests = [tested(a, b, number, level) for number in _numbers(a.record, b.record, metrics)]
    rows = [_finite(test.row) for test in tests]
    adjusted = holm([row.p for row in rows])
    strict = 1 - (1 - level) / max(1, sum(row.p is not None for row in rows))
    shown = tuple(
        replace(
            row, p_holm=p, n_needed=test.needed(strict) if test.needed is not None and row.effect is not None else None
        )
        for row, p, test in zip(rows, adjusted, tests)
    )
    return Comparison(a.record.suite, a.record.task_id, a.record, b.record, level, shown)


class _Test(NamedTuple):
    """A row, and level -> the units after which a difference like its one is found there; None where that is not known."""

    row: ComparisonRow
    needed: Callable[[float], int | None] | None = None


def _finite(row: ComparisonRow) -> ComparisonRow:
    """Return the row, without a value where that or what comes with it is too large for a float."""
    if all(value is None or isfinite(value) for value in (row.value, row.ci_low, row.ci_high, row.p, row.effect)):
        return row
    nothing: dict[str, Any] = dict.fromkeys(("value", "ci_low", "ci_high", "p", "effect"))
    return replace(row, **nothing, reason=f"the {row.kind} is larger than any number")


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
    every = {name: n for name, n in every.items() if not ((entry := entry_of(name)) and entry.same_as)}
    if metrics:
        for name in metrics:
            if name not in every:
                raise BadInput(f"--metric: no number {name!r} to compare{nearest(name, every)}")
        return [every[name] for name in dict.fromkeys(metrics)]
    usual = [n for n in every.values() if n.axis in COMPARED_AXES and not n.slice and _is_usual(n)]
    return sorted(usual, key=lambda n: (COMPARED_AXES.index(n.axis), not n.primary))


def _is_usual(number: Number) -> bool:
    """Return whether a number is compared unasked: quality, the median latencies, weights, and what is primary."""
    entry = entry_of(number.name)
    return number.axis == "quality" or number.primary or (entry is not None and entry.name in (MEDIAN, PARAMETERS))


def _tested_or_damaged(a: RawCell, b: RawCell, number: Number, level: float) -> _Test:
    try:
        return _tested(a, b, number, level)
    except StoreError as error:
        return _Test(replace(_untested(a, b, number), reason=str(error)))


def _untested(a: RawCell, b: RawCell, number: Number) -> ComparisonRow:
    """Return the row of a number before anything is compared: what both records say."""
    kind: Literal["difference", "ratio"] = "difference" if number.axis in ("quality", "facts") else "ratio"
    on_a, on_b = number_of(a.record, number.name), number_of(b.record, number.name)
    row = ComparisonRow(number.name, number.axis, number.unit, number.higher_is_better, number.primary, kind)
    return replace(row, a=on_a.value if on_a else None, b=on_b.value if on_b else None)


def _tested(a: RawCell, b: RawCell, number: Number, level: float) -> _Test:
    on_a, on_b = number_of(a.record, number.name), number_of(b.record, number.name)
    row = _untested(a, b, number)
    why = [_null(raw.record, found) for raw, found in ((a, on_a), (b, on_b))]
    if missing := "; ".join(dict.fromkeys(filter(None, why))):
        return _Test(replace(row, reason=missing))
    assert on_a is not None and on_a.value is not None
    assert on_b is not None and on_b.value is not None
    if number.axis == "quality":
        found = quality_difference(a, b, on_a, on_b, level)
        low, high = found.interval or (None, None)
        row = replace(row, value=found.value, ci_low=low, ci_high=high, p=found.p, effect=found.effect, n=found.n)
        row = replace(row, units=found.units, trainings=found.trainings, how=found.how, reason=found.reason)
        return _Test(row, found.needed)
    if number.axis == "facts":
        return _Test(replace(row, value=on_a.value - on_b.value, how="computed"))
    entry = entry_of(number.name)
    if entry is not None and entry.name == MEDIAN:
        return _timed(row, a, b, level)
    if is_timed(number.name) and (why_not := _other_place(a.record, b.record)):
        return _Test(replace(row, reason=why_not))
    if not row.b:
        return _Test(replace(row, reason=f"{b.record.method_id} has a zero, which gives no ratio"))
    return _Test(replace(row, value=on_a.value / row.b, how="bare ratio"))


def _timed(row: ComparisonRow, a: RawCell, b: RawCell, level: float) -> _Test:
    if why := _other_place(a.record, b.record):
        return _Test(replace(row, reason=why))
    if any(raw.batch_size_of(row.number) is None for raw in (a, b)):
        return _Test(replace(row, reason="the suite does not say the batch size"))
    ours, theirs = (raw.rounds(row.number) for raw in (a, b))
    beside_ours, beside_theirs = (raw.rounds_of_reference(row.number) for raw in (a, b))
    if not a.is_beside(b) and a.record.reference_cell != b.record.reference_cell:
        return _Test(replace(row, reason="timed in different stores, beside different references"))
    found = time_ratio(ours, theirs, beside_ours, beside_theirs, level, share_rounds=a.is_beside(b))
    low, high = found.interval or (None, None)
    how = "rounds with the reference" if found.through_reference else "shared rounds"
    row = replace(row, value=found.value, ci_low=low, ci_high=high, p=found.p, effect=found.effect, n=found.rounds)
    row = replace(row, units="rounds", items=found.items if found.items > 1 else 0, how=how, reason=found.reason)
    # More rounds do not tell more of how items differ.
    needed = partial(rounds_needed, found.effect) if found.effect is not None and found.items == 1 else None
    return _Test(row, needed)


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
