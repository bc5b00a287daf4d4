"""Differences that a condensed subset cannot resolve: shown, but in grey, since all samples may well say the opposite."""

from __future__ import annotations

from effbench.record import CellRecord
from effbench.report.summarise import WorkloadCells, number_of

ROUNDING = 1e-6
"""A difference of exactly the certified size is resolved, whatever the last digits of a float say."""
UNRESOLVED = "unresolved"
"""Stands among the flags of such a number, for its footnote."""


def is_unresolved(workload: WorkloadCells, cell: CellRecord, name: str) -> bool:
    """Return whether a number differs from the reference's by less than the cell's subset is certified to resolve."""
    reference = workload.reference
    if reference is None or cell is reference or name not in cell.resolutions:
        return False
    ours, theirs = number_of(cell, name), number_of(reference, name)
    if ours is None or theirs is None or ours.value is None or theirs.value is None:
        return False
    least = cell.resolutions[name]
    return least is None or abs(ours.value - theirs.value) < least * (1 - ROUNDING)
