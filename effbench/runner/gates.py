"""Gates: conditions that a suite sets on the numbers of its cells."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from effbench.record import CellRecord, Number
from effbench.store import StoreView
from effbench.suite import Gate


def failed_gates(view: StoreView, gates: Sequence[Gate]) -> list[str]:
    """Return one sentence for every cell that misses a gate; a null number misses it, its reason is said."""
    sentences = []
    for gate in gates:
        for record in view.cells:
            if fnmatch.fnmatchcase(record.task_id, gate.task) and fnmatch.fnmatchcase(record.method_id, gate.method):
                sentences += _misses(gate, record, view.cells)
    return sentences


def _misses(gate: Gate, record: CellRecord, cells: Sequence[CellRecord]) -> list[str]:
    name = f"{record.task_id}/{record.method_id}"
    number = _number(record, gate.metric)
    if number is None or number.value is None:
        why = "there is no such number" if number is None else f"it is null ({number.reason})"
        return [f"{name}: {gate.metric}: {why}"]
    found = []
    if gate.min is not None and number.value < gate.min:
        found.append(f"{name}: {gate.metric} is {number.value:.4g}, below {gate.min:g}")
    if gate.max is not None and number.value > gate.max:
        found.append(f"{name}: {gate.metric} is {number.value:.4g}, above {gate.max:g}")
    if gate.min_ratio is None and gate.max_ratio is None:
        return found
    reference = next((c for c in cells if c.id == record.reference_cell), None)
    theirs = _number(reference, gate.metric) if reference else None
    if theirs is None or not theirs.value:
        return [*found, f"{name}: {gate.metric}: the reference has no value to compare with"]
    ratio = number.value / theirs.value
    if gate.min_ratio is not None and ratio < gate.min_ratio:
        found.append(f"{name}: {gate.metric} is {ratio:.4g} of the reference's, below {gate.min_ratio:g}")
    if gate.max_ratio is not None and ratio > gate.max_ratio:
        found.append(f"{name}: {gate.metric} is {ratio:.4g} of the reference's, above {gate.max_ratio:g}")
    return found


def _number(record: CellRecord, name: str) -> Number | None:
    return next((number for number in record.numbers if number.name == name), None)
