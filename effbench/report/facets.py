"""What methods of a table are told apart and filtered by, besides their numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from effbench.record import CellRecord
from effbench.report.caption import machine_text
from effbench.report.standing import SELF_REPORTED
from effbench.report.summarise import WorkloadCells
from effbench.report.trust import badge_of

EXECUTION, CHECKED, MACHINE, COMPOSITION, LICENCE, SUITE, MONTH = (
    "execution",
    "checked",
    "machine",
    "composition",
    "licence",
    "suite",
    "month",
)
"""Names of the facets, in the order in which they are offered."""

NOT_STATED = "not stated"
"""The licence of what came without a submission's manifest."""

UNREADABLE = "history is damaged"
"""Stands where nobody can tell who checked a store."""


def facets_of(workload: WorkloadCells, licences: Mapping[Path, str] | None = None) -> dict[str, tuple[str, ...]]:
    """Return facet -> its value for each cell, of those facets that tell some cells apart.

    ``licences`` holds, by the folder of a store, what its manifest says results may be used under.
    """
    checked = checked_by(workload)
    found: dict[str, list[str]] = {
        name: [] for name in (EXECUTION, CHECKED, MACHINE, COMPOSITION, LICENCE, SUITE, MONTH)
    }
    for at, cell in enumerate(workload.cells):
        store = store_of(workload, at)
        found[EXECUTION].append(badge_of(cell))
        found[CHECKED].append(checked[at])
        found[MACHINE].append(machine_class(workload, cell))
        found[COMPOSITION].append(composition_of(cell))
        found[LICENCE].append((licences or {}).get(store, NOT_STATED))
        found[SUITE].append(cell.suite)
        found[MONTH].append(cell.finished_utc[:7])
    return {name: tuple(values) for name, values in found.items() if len(set(values)) > 1}


def matching(
    workload: WorkloadCells,
    facets: Mapping[str, tuple[str, ...]],
    chosen: Mapping[str, Collection[str]],
    words: str = "",
) -> tuple[int, ...]:
    """Return the positions of cells that have one of the chosen values of every facet, and every word in their names.

    A facet of which nothing is chosen leaves all; case does not matter. References stay: the others are read against them.
    """
    asked = words.casefold().split()
    wanted = [(facets[name], frozenset(values)) for name, values in chosen.items() if values and name in facets]
    kept = []
    for at, cell in enumerate(workload.cells):
        fits = all(has[at] in values for has, values in wanted)
        if cell.role == "reference" or (fits and (not asked or _is_named(workload, at, asked))):
            kept.append(at)
    return tuple(kept)


def _is_named(workload: WorkloadCells, at: int, words: Collection[str]) -> bool:
    text = " ".join(
        [workload.cells[at].method_id, workload.wheres[at], *(link.use for link in workload.cells[at].identity.chain)]
    ).casefold()
    return all(word in text for word in words)


def store_of(workload: WorkloadCells, at: int) -> Path:
    """Return the folder of the store that holds a cell."""
    return workload.folders[at]


def checked_by(workload: WorkloadCells) -> tuple[str, ...]:
    """Return for each cell how far somebody else got who checked its store (``Standing.text``); else ``self-reported``."""
    words = {store: UNREADABLE if its.problem else its.text for store, its in workload.standings.items()}
    return tuple(words.get(folder, SELF_REPORTED) for folder in workload.folders)


def machine_class(workload: WorkloadCells, cell: CellRecord) -> str:
    """Return the machine of a cell in words without the fingerprint, so that equal ones are one class, and its device."""
    name = cell.provenance.machine
    words = machine_text(name, workload.machines.get(name, {})).removesuffix(f" [{name}]")
    return f"{words} ({cell.provenance.device})"


def composition_of(cell: CellRecord) -> str:
    """Return whether a cell is one method or a chain of several."""
    count = len(cell.identity.chain)
    return f"chain of {count}" if count > 1 else "one method"
