"""Gates: conditions that a suite sets on the numbers of its cells, with the measured spread as their tolerance.

A bound that lies within a number's interval is met: the interval is what rounds and samples were seen to vary by, and a
gate that fails on less than that rejects runs by chance (MLPerf's 0.2 % tolerance would have rejected every SDXL result of
a round).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from effbench.globs import meant
from effbench.raw import RawCell, ratio_by_rounds, ratio_interval
from effbench.record import CellRecord, Number
from effbench.store import StoreView
from effbench.suite import Gate


class Spread(NamedTuple):
    """A value and what it was seen to vary between; both bounds are the value where nothing says more."""

    value: float
    low: float
    high: float

    def text(self) -> str:
        """Return the value, with its interval where it has one."""
        value, low, high = (f"{number:.4g}" for number in self)
        return value + (f" [{low}, {high}]" if low != high else "")


def failed_gates(view: StoreView, gates: Sequence[Gate]) -> list[str]:
    """Return one sentence for every cell that misses a gate; a null number misses it, its reason is said."""
    level = view.lock.get("stats", {}).get("ci", 0.95)
    named = [
        *((cell.task_id, cell.method_id) for cell in view.cells),
        *(cell.split("/", 1) for cell in view.unfinished),
    ]
    sentences = []
    for gate in gates:
        tasks = meant(gate.task, (task for task, _ in named))
        methods = meant(gate.method, (method for task, method in named if task in tasks))
        for record in view.cells:
            if record.task_id in tasks and record.method_id in methods:
                sentences += _misses(gate, record, view, level)
    return sentences


def _misses(gate: Gate, record: CellRecord, view: StoreView, level: float) -> list[str]:
    name = f"{record.task_id}/{record.method_id}: {gate.metric}"
    number = _number(record, gate.metric)
    if number is None or number.value is None:
        why = "there is no such number" if number is None else f"it is null ({number.reason})"
        return [f"{name}: {why}"]
    found = _beyond(name, "is", _spread(number, gate.tolerance), gate.min, gate.max)
    if gate.min_ratio is None and gate.max_ratio is None:
        return found
    reference = next((c for c in view.cells if c.id == record.reference_cell), None)
    theirs = _number(reference, gate.metric) if reference else None
    if reference is None or theirs is None or not theirs.value:
        return [*found, f"{name}: the reference has no value to compare with"]
    ratio = _ratio(number, theirs, gate.tolerance)
    if (by_rounds := ratio_by_rounds(record, number)) is not None:
        low, high = (by_rounds.value if end is None else end for end in by_rounds[1:])
        ratio = Spread(by_rounds.value, low, high) if gate.tolerance == "interval" else Spread(*[by_rounds.value] * 3)
    if gate.tolerance == "interval" and number.axis == "quality":
        ours, beside = (RawCell(cell, view.path / "cells" / cell.id) for cell in (record, reference))
        ratio = _paired_ratio(ratio.value, ours, beside, gate.metric, level) or ratio
    return found + _beyond(name, "over the reference's is", ratio, gate.min_ratio, gate.max_ratio)


def _beyond(name: str, verb: str, spread: Spread, least: float | None, most: float | None) -> list[str]:
    found = []
    if least is not None and spread.high < least:
        found.append(f"{name} {verb} {spread.text()}, below {least:g}")
    if most is not None and spread.low > most:
        found.append(f"{name} {verb} {spread.text()}, above {most:g}")
    return found


def _spread(number: Number, tolerance: str) -> Spread:
    assert number.value is not None
    if tolerance == "none" or number.ci_low is None or number.ci_high is None:
        return Spread(number.value, number.value, number.value)
    return Spread(number.value, number.ci_low, number.ci_high)


def _ratio(number: Number, theirs: Number, tolerance: str) -> Spread:
    """Return the ratio with the widest interval that both numbers allow: nothing is known of how they vary together."""
    ours, reference = _spread(number, tolerance), _spread(theirs, tolerance)
    value = ours.value / reference.value
    if reference.low <= 0 <= reference.high:
        return Spread(value, value, value)
    ends = [a / b for a in (ours.low, ours.high) for b in (reference.low, reference.high)]
    return Spread(value, min(ends), max(ends))


def _paired_ratio(value: float, ours: RawCell, theirs: RawCell, metric: str, level: float) -> Spread | None:
    """Return the ratio with the interval over what both were resampled on, or None where they were not resampled alike."""
    on_ours, on_theirs = _number(ours.record, metric), _number(theirs.record, metric)
    assert on_ours is not None
    assert on_theirs is not None
    found = ratio_interval(ours, theirs, on_ours, on_theirs, level)
    return None if found is None else Spread(value, min(found.low, value), max(found.high, value))


def _number(record: CellRecord, name: str) -> Number | None:
    return next((number for number in record.numbers if number.name == name), None)
