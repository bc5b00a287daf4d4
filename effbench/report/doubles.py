"""Cells that several stores hold: a copy is shown once; where the content differs, both are, and a sentence says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from effbench.counted import counted, listed
from effbench.legible import legible_line
from effbench.raw import RawCell
from effbench.store import StoreView

DESCRIPTION = ("cpu_model", "gpu")
"""What two descriptions of one machine must agree in; the rest (memory that is free to use, peaks) may be measured anew."""


Member = tuple[StoreView, RawCell]
"""A cell of a workload, in the store that holds it."""


class Once(NamedTuple):
    """The cells of a workload without the copies, and what has to be said of those that several stores hold."""

    members: list[Member]
    notes: tuple[str, ...]


def without_copies(members: Sequence[Member]) -> Once:
    """Return the cells, of equal records with one id that of the store named first, or the first that kept pictures."""
    by_id: dict[str, list[int]] = {}
    copies: dict[tuple[Path, Path], int] = {}
    kept: list[Member] = []
    for view, raw in members:
        same_id = by_id.setdefault(raw.record.id, [])
        at = next((at for at in same_id if kept[at][1].record == raw.record), None)
        if at is None:
            same_id.append(len(kept))
            kept.append((view, raw))
            continue
        first, twin = kept[at]
        copies[view.path, first.path] = copies.get((view.path, first.path), 0) + 1
        if raw.folder.previews.is_dir() and not twin.folder.previews.is_dir():
            kept[at] = view, raw
    names = store_names([view.path for view, _ in members])
    notes = [
        f"{counted(count, 'cell')} of {names[copy]} {'is one' if count == 1 else 'are those'} of {names[first]}, shown once"
        for (copy, first), count in copies.items()
    ]
    differing = [[kept[at] for at in several] for several in by_id.values() if len(several) > 1]
    return Once(kept, (*notes, *_differing(differing, names)))


def _differing(cells: Sequence[Sequence[Member]], names: Mapping[Path, str]) -> list[str]:
    """Return the sentences on cells whose stores say something else of them: run twice, or changed after the run."""
    found: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for several in cells:
        is_changed = len({raw.record.finished_utc for _, raw in several}) < len(several)
        where = tuple(dict.fromkeys(names[view.path] for view, _ in several))
        found.setdefault((is_changed, where), []).append(several[0][1].record.method_id)
    changed = "; the run ended at one time, so that one of them was changed since"
    return [
        f"{listed(methods)}: other content in {' than in '.join(where)} under one id, all shown"
        + (changed if is_changed else "")
        for (is_changed, where), methods in found.items()
    ]


def store_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return path -> what a reader calls a store: the name of its folder, or the whole path where another is called so."""
    distinct = list(dict.fromkeys(paths))
    names = [path.absolute().name for path in distinct]  # of ".", too
    times = Counter(names)
    return {path: legible_line(name if times[name] == 1 else str(path)) for path, name in zip(distinct, names)}


class Machines(NamedTuple):
    """Fingerprint -> facts of a machine, and of which a later store says something else."""

    facts: Mapping[str, Mapping[str, Any]]
    disputed: Mapping[str, str]


def machines_of(views: Sequence[StoreView]) -> Machines:
    """Return what the stores say of machines; where they differ, the first one is taken, and the other one is named."""
    facts: dict[str, Mapping[str, Any]] = {}
    disputed: dict[str, str] = {}
    names = store_names([view.path for view in views])
    for view in views:
        for name, machine in view.machines.items():
            first = facts.setdefault(name, machine)
            if any(machine.get(key) != first.get(key) for key in DESCRIPTION):
                disputed.setdefault(name, f"machine {name} is another in {names[view.path]}: {_described(machine)}")
    return Machines(facts, disputed)


def _described(machine: Mapping[str, Any]) -> str:
    return ", ".join(str(machine[key]) for key in DESCRIPTION if machine.get(key)) or "unknown"
