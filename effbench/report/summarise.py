"""One summary of one or more stores: what every table, picture and page is drawn from.

Cells are grouped by workload (the task with its parameters, system revision and subset), because numbers of two
workloads must never stand in one table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar

from effbench.raw import RawCell
from effbench.record import CellRecord, Number, Reason
from effbench.report.doubles import Member, machines_of, store_names, without_copies
from effbench.report.pending import pending_text
from effbench.report.ranks import is_ranked, ranks_of
from effbench.report.standing import Standing, store_standing
from effbench.store import StoreView

_KEYS = count(1)
T = TypeVar("T")


class NumberRow(TypedDict):
    """One number of one cell, flat, as CSV and JSON carry it; ``slice`` is ``""`` where it is of all samples.

    ``ci_method`` is how its interval was made, ``computed`` where a method computed it and nothing was measured. ``by`` is
    who sent it in, ``verification`` who else made it again (``Standing.text``); both are ``""`` in a store of one's own.
    """

    cell: str
    task: str
    method: str
    name: str
    value: float | None
    unit: str
    n: int
    ci_low: float | None
    ci_high: float | None
    higher_is_better: bool
    axis: str
    primary: bool
    execution: str
    reason: str | None
    rank: int | None
    ci_method: str
    slice: str
    units: str
    by: str
    verification: str


class Location(NamedTuple):
    """Where a cell ran; absolute times of two places are not comparable."""

    machine: str
    device: str
    dtype: str


@dataclass(frozen=True)
class WorkloadCells:
    """The cells of one workload in suite order, the machines they ran on and the level of their intervals.

    ``raw`` are the cells with their raw parts, in the same order; only what records do not say is read from them. ``notes``
    say what a reader has to know of the stores: what is not finished, and what several of them hold. ``standings`` are store
    -> who sent it in, and who else made its numbers again.
    """

    title: str
    suites: tuple[str, ...]
    cells: tuple[CellRecord, ...]
    machines: Mapping[str, Mapping[str, Any]]
    levels: tuple[float, ...]
    raw: tuple[RawCell, ...]
    notes: tuple[str, ...] = ()
    standings: Mapping[Path, Standing] = field(default_factory=dict)
    _derived: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` returned the first time under this name: what is computed of the cells and needed again."""
        if name not in self._derived:
            self._derived[name] = make()
        found: T = self._derived[name]
        return found

    @cached_property
    def key(self) -> str:
        """Return what stands for this very object in caches of this process: no other workload or reading of it has it."""
        return f"{self.title}/{next(_KEYS)}"

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Return the folder of the store that holds each cell; those of one store are one object."""
        found: dict[str, Path] = {}
        folders = (str(raw.path).rsplit("/", 2)[0] for raw in self.raw)
        return tuple(found.setdefault(folder, raw.path.parents[1]) for folder, raw in zip(folders, self.raw))

    def standing(self, cell: CellRecord) -> Standing:
        """Return who sent one of the cells in, and who else made its numbers again."""
        return self._standing.get(id(cell), Standing())

    @cached_property
    def _standing(self) -> Mapping[int, Standing]:
        return {id(raw.record): self.standings.get(raw.path.parents[1], Standing()) for raw in self.raw}

    @cached_property
    def hands(self) -> Mapping[str, frozenset[str]]:
        """Return method -> those who sent it in: several where one measured what another had sent."""
        found: dict[str, set[str]] = {}
        for cell in self.cells:
            found.setdefault(cell.method_id, set()).add(self.standing(cell).by)
        return {method: frozenset(names) for method, names in found.items()}

    @cached_property
    def stores(self) -> Mapping[int, str]:
        """Return id of a record -> the name of its store."""
        names = store_names(self.folders)
        return {id(raw.record): names[folder] for raw, folder in zip(self.raw, self.folders)}

    @cached_property
    def places(self) -> tuple[Location, ...]:
        """Return the distinct places of the cells, in order of appearance."""
        return tuple(dict.fromkeys(place_of(cell) for cell in self.cells))

    @cached_property
    def place_differs(self) -> tuple[bool, ...]:
        """Return of each part of a ``Location`` whether it differs between the cells."""
        return tuple(len(set(parts)) > 1 for parts in zip(*self.places))

    @cached_property
    def reference(self) -> CellRecord | None:
        """Return the first reference, with which the others are compared."""
        return next((cell for cell in self.cells if cell.role == "reference"), None)

    def numbers_of(self, name: str) -> Sequence[Number | None]:
        """Return the number of that name of every cell, None where a cell did not record it."""
        return self._by_name.get(name) or [None] * len(self.cells)

    def ranks_of(self, name: str) -> Sequence[int | None]:
        """Return the rank of every cell by the number of that name, as ``report.ranks.ranks_of`` does."""
        return self.once(f"ranks of {name}", lambda: ranks_of(self.numbers_of(name)))

    def raw_of(self, cell: CellRecord) -> RawCell | None:
        """Return a cell of this workload with its raw parts; None for any other record."""
        return self._raw_by_record.get(id(cell))

    def reference_of(self, cell: CellRecord) -> RawCell | None:
        """Return the reference that a cell was run beside, from the same store; of a reference that is itself."""
        ours = self.raw_of(cell)
        if cell.role == "reference" or ours is None or cell.reference_cell is None:
            return ours if cell.role == "reference" else None
        return self._raw_by_path.get(f"{ours.path.parent}/{cell.reference_cell}")

    def says_the_same_as(self, other: WorkloadCells) -> bool:
        """Return whether both hold the same records of the same folders, and say the same about them."""
        return (
            (self.title, self.suites, self.levels, self.notes) == (other.title, other.suites, other.levels, other.notes)
            and len(self.cells) == len(other.cells)
            and all(ours is theirs for ours, theirs in zip(self.cells, other.cells))
            and all(a.path == b.path and a.batch_sizes == b.batch_sizes for a, b in zip(self.raw, other.raw))
            and self.machines == other.machines
            and self.standings == other.standings
        )

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Number | None]]:
        found: dict[str, list[Number | None]] = {}
        for at, cell in enumerate(self.cells):
            for number in cell.numbers:
                column = found.get(number.name)
                if column is None:
                    column = found[number.name] = [None] * len(self.cells)
                if column[at] is None:  # the first of a name, as ``number_of`` has it
                    column[at] = number
        return found

    @cached_property
    def _raw_by_record(self) -> Mapping[int, RawCell]:
        return {id(raw.record): raw for raw in reversed(self.raw)}

    @cached_property
    def _raw_by_path(self) -> Mapping[str, RawCell]:
        return {f"{raw.path.parent}/{raw.record.id}": raw for raw in reversed(self.raw)}

    @cached_property
    def _primary(self) -> Mapping[str, Number]:
        """Return name -> a number of every primary number that some cell has, of all samples."""
        return {n.name: n for cell in self.cells for n in cell.numbers if n.primary and not n.slice}

    @cached_property
    def wheres(self) -> tuple[str, ...]:
        """Return of each cell what tells it from others of its method (``where_of``)."""
        return tuple(where_of(self, cell) for cell in self.cells)

    @cached_property
    def twins(self) -> Mapping[tuple[str, Location], Sequence[CellRecord]]:
        """Return (method, place) -> its cells there: several where suites or runs repeat one another."""
        found: dict[tuple[str, Location], list[CellRecord]] = {}
        for cell in self.cells:
            found.setdefault((cell.method_id, place_of(cell)), []).append(cell)
        return found

    @cached_property
    def twin_suites(self) -> Mapping[tuple[str, Location], int]:
        """Return (method, place) -> how many suites its cells there are of."""
        return {where: len({cell.suite for cell in cells}) for where, cells in self.twins.items()}

    @cached_property
    def alike(self) -> Mapping[tuple[str, Location, str, str], int]:
        """Return (method, place, suite, minute of its end) -> how many cells that is true of."""
        return Counter((cell.method_id, place_of(cell), cell.suite, cell.finished_utc[:16]) for cell in self.cells)

    @property
    def numbers(self) -> tuple[NumberRow, ...]:
        """Return every number of every cell; a failed cell has a null for each primary number that it lacks."""
        ranks = self._ranks()
        return tuple(
            _flat(cell, number, ranks.get((position, number.name)), self.standing(cell))
            for position, cell in enumerate(self.cells)
            for number in (*cell.numbers, *self._lost(cell))
        )

    def _ranks(self) -> dict[tuple[int, str], int | None]:
        """Return (position of the cell, name of the number) -> rank, for the ranked numbers."""
        ranked = dict.fromkeys(n.name for cell in self.cells for n in cell.numbers if is_ranked(n))
        return {(at, name): rank for name in ranked for at, rank in enumerate(self.ranks_of(name))}

    def _lost(self, cell: CellRecord) -> list[Number]:
        if cell.status != "failed":
            return []
        present = {number.name for number in cell.numbers}
        reason = failure_of(cell).reason
        missing = [number for name, number in self._primary.items() if name not in present]
        return [replace(number.without_value(reason), flags=()) for number in missing]


@dataclass(frozen=True)
class Summary:
    """The workloads of one or more stores; ``suite`` joins the names of several suites with `` + ``."""

    suite: str
    workloads: tuple[WorkloadCells, ...]

    @property
    def numbers(self) -> tuple[NumberRow, ...]:
        """Return the numbers of all workloads, flat."""
        return tuple(row for workload in self.workloads for row in workload.numbers)


class Failure(NamedTuple):
    """Why a cell failed: the reason of its last failed attempt, and what that attempt said."""

    reason: Reason
    job: str
    message: str


def summarise(view: StoreView) -> Summary:
    """Return the summary of one store."""
    return summarise_stores([view])


def summarise_stores(views: Sequence[StoreView]) -> Summary:
    """Return one summary of several stores; cells of equal workloads come together, whichever store holds them.

    A cell that several hold alike stands there once. What their suites call a task makes no difference, unless one of the
    stores tells two of its own tasks apart by it.
    """
    machines = machines_of(views)
    standings = {view.path: store_standing(view.path) for view in views}
    groups = _grouped(views, standings)
    titles = _titles(list(groups))
    workloads = []
    for key, every in groups.items():
        members, notes = without_copies(every)
        members.sort(key=lambda member: (member[1].record.order, member[1].record.role != "reference"))
        stores = {id(view): view for view, _ in members}.values()
        used = {raw.record.provenance.machine for _, raw in members}
        workloads.append(
            WorkloadCells(
                title=titles[key],
                suites=tuple(dict.fromkeys(view.suite for view in stores)),
                cells=tuple(raw.record for _, raw in members),
                machines=machines.facts,
                levels=tuple(dict.fromkeys(level for view in stores if (level := level_of(view)) is not None)),
                raw=tuple(raw for _, raw in members),
                notes=(
                    *_pending(members),
                    *notes,
                    *(sentence for name, sentence in machines.disputed.items() if name in used),
                ),
                standings=standings,
            )
        )
    return Summary(" + ".join(dict.fromkeys(view.suite for view in views)), tuple(workloads))


def _pending(members: Sequence[Member]) -> list[str]:
    """Return the sentence on the methods of a workload that its stores plan and have not finished, if there are any."""
    tasks = {id(view): (view, raw.record.task_id) for view, raw in members}.values()
    labels = dict.fromkeys((label, task) for view, task in tasks for label in view.unfinished)
    left = [label.removeprefix(f"{task}/") for label, task in labels if label.startswith(f"{task}/")]
    return [pending_text(left, len(members))] if left else []


def place_of(cell: CellRecord) -> Location:
    """Return where a cell ran: machine fingerprint, device and dtype as resolved."""
    return Location(cell.provenance.machine, cell.provenance.device, cell.identity.dtype)


def where_of(workload: WorkloadCells, cell: CellRecord) -> str:
    """Return what tells the cell from others of its method: who sent it in, what differs of its place, suite, time, store.

    It is ``""`` where all cells ran in one place and each method stands there once.
    """
    here = place_of(cell)
    by = workload.standing(cell).by
    parts = [f"by {by}"] if by and len(workload.hands[cell.method_id]) > 1 else []
    parts += [part[:8] for part, differs in zip(here, workload.place_differs) if differs]
    same = cell.method_id, here
    if len(workload.twins[same]) > 1:
        minute = cell.finished_utc[:16]
        parts += [cell.suite] if workload.twin_suites[same] > 1 else []
        parts.append(minute.replace("T", " "))
        parts += [f"in {workload.stores[id(cell)]}"] if workload.alike[*same, cell.suite, minute] > 1 else []
    return " ".join(parts)


def name_of(workload: WorkloadCells, cell: CellRecord) -> str:
    """Return the method's id, with its place where the workload has several."""
    return " ".join(filter(None, (cell.method_id, where_of(workload, cell))))


def names_of(workload: WorkloadCells) -> tuple[str, ...]:
    """Return a name for each cell that no other cell has: ``name_of``, and where that is shared, its store or its place."""
    return workload.once("names", lambda: _distinct_names(workload))


def _distinct_names(workload: WorkloadCells) -> tuple[str, ...]:
    names = [" ".join(filter(None, (cell.method_id, w))) for cell, w in zip(workload.cells, workload.wheres)]
    stores = [folder.name for folder in workload.folders]
    for told_apart in (stores, [f"number {at + 1}" for at in range(len(names))]):
        shared = {name for name, count in Counter(names).items() if count > 1}
        names = [f"{name} ({told_apart[at]})" if name in shared else name for at, name in enumerate(names)]
    return tuple(names)


def number_of(cell: CellRecord, name: str) -> Number | None:
    """Return the number of that name, or None where the cell did not record it."""
    return next((number for number in cell.numbers if number.name == name), None)


def failure_of(cell: CellRecord) -> Failure:
    """Return why a failed cell failed; ``error`` where no attempt says more."""
    for attempt in reversed(cell.attempts):
        if attempt.status == "failed":
            return Failure(attempt.reason or "error", attempt.job, attempt.message)
    return Failure("error", "", "")


def raw_cell(view: StoreView, cell: CellRecord) -> RawCell:
    """Return a cell of a store with its raw parts; without a batch size where the suite asks for no latency."""
    return RawCell(cell, view.path / "cells" / cell.id, _batch_sizes(view))


def _batch_sizes(view: StoreView) -> tuple[int, ...]:
    measure = view.lock.get("measure")
    latency = measure.get("latency") if isinstance(measure, Mapping) else None
    sizes = latency.get("batch_sizes") if isinstance(latency, Mapping) else None
    return tuple(sizes or ())


def level_of(view: StoreView) -> float | None:
    """Return the level of a store's intervals, or None where its suite does not say."""
    stats = view.lock.get("stats")
    level = stats.get("ci") if isinstance(stats, Mapping) else None
    return float(level) if isinstance(level, int | float) else None


def _flat(cell: CellRecord, number: Number, rank: int | None, standing: Standing) -> NumberRow:
    return NumberRow(
        cell=cell.id,
        task=cell.task_id,
        method=cell.method_id,
        name=number.name,
        value=number.value,
        unit=number.unit,
        n=number.n,
        ci_low=number.ci_low,
        ci_high=number.ci_high,
        higher_is_better=number.higher_is_better,
        axis=number.axis,
        primary=number.primary,
        execution=cell.execution,
        reason=number.reason,
        rank=rank,
        ci_method=number.ci_method,
        slice=number.slice,
        units=number.units,
        by=standing.by,
        verification=standing.text if standing.is_sent else "",
    )


def _grouped(views: Sequence[StoreView], standings: Mapping[Path, Standing]) -> dict[tuple[str, ...], list[Member]]:
    """Return name of the task, and what its workload is, -> cells with their stores.

    A task is called as its suite calls it; where all of its cells were sent in, by who knows which names, as itself.
    """
    found: dict[tuple[str, ...], list[Member]] = {}
    for view in views:
        folder, sizes = view.path / "cells", _batch_sizes(view)
        for cell in view.cells:
            found.setdefault(_workload_key(cell), []).append((view, RawCell(cell, folder / cell.id, sizes)))
    groups: dict[tuple[str, ...], list[Member]] = {}
    for key, members in found.items():
        names = {(id(view), raw.record.task_id) for view, raw in members}
        is_split = len(names) > len({view for view, _ in names})
        are_sent = all(standings[view.path].is_sent for view, _ in members)
        first = key[0] if are_sent else members[0][1].record.task_id
        for view, raw in members:
            groups.setdefault((raw.record.task_id if is_split else first, *key), []).append((view, raw))
    return groups


def _workload_key(cell: CellRecord) -> tuple[str, ...]:
    params = json.dumps(cell.identity.task_params, sort_keys=True)
    return (cell.identity.task, params, cell.identity.system_revision, cell.subset or "")


def _titles(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return the title of each workload: its task id, followed by what tells it from others of the same id."""
    rivals: dict[str, list[tuple[str, ...]]] = {}
    for key in keys:
        rivals.setdefault(key[0], []).append(key)
    return {key: title for same in rivals.values() for key, title in zip(same, _told_apart(same))}


def _told_apart(keys: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the titles of workloads of one task id."""
    if len(keys) == 1:
        return [keys[0][0]]
    params = [json.loads(key[2]) for key in keys]
    names = sorted({name for one in params for name in one})
    differing = [name for name in names if any(one.get(name) != params[0].get(name) for one in params)]
    words = {1: "task", 3: "revision", 4: "subset"}
    words = {place: word for place, word in words.items() if len({key[place] for key in keys}) > 1}
    titles = []
    for key, own in zip(keys, params):
        told = [f"{name}={own[name]}" for name in differing if name in own]
        told += [f"{word} {key[place][:12] or 'none'}" for place, word in words.items()]
        titles.append(f"{key[0]} [{', '.join(told)}]")
    return titles
