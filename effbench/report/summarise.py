"""One summary of one or more stores: what every table, picture and page is drawn from.

Cells are grouped by workload (the task with its parameters, system revision and subset), because numbers of two
workloads must never stand in one table.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from effbench.raw import RawCell
from effbench.record import CellRecord, Number, Reason
from effbench.report.doubles import Member, machines_of, store_names, without_copies
from effbench.report.pending import pending_text
from effbench.report.ranks import is_ranked, ranks_of
from effbench.report.standing import Standing, store_standing
from effbench.store import StoreView


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
        names = store_names([raw.path.parents[1] for raw in self.raw])
        return {id(raw.record): names[raw.path.parents[1]] for raw in self.raw}

    @cached_property
    def places(self) -> tuple[Location, ...]:
        """Return the distinct places of the cells, in order of appearance."""
        return tuple(dict.fromkeys(place_of(cell) for cell in self.cells))

    @cached_property
    def twins(self) -> Mapping[tuple[str, Location], Sequence[CellRecord]]:
        """Return (method, place) -> its cells there: several where suites or runs repeat one another."""
        found: dict[tuple[str, Location], list[CellRecord]] = {}
        for cell in self.cells:
            found.setdefault((cell.method_id, place_of(cell)), []).append(cell)
        return found

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
        return {
            (position, name): rank
            for name in ranked
            for position, rank in enumerate(ranks_of([number_of(cell, name) for cell in self.cells]))
        }

    def _lost(self, cell: CellRecord) -> list[Number]:
        if cell.status != "failed":
            return []
        primary = {n.name: n for other in self.cells for n in other.numbers if n.primary and not n.slice}
        present = {number.name for number in cell.numbers}
        reason = failure_of(cell).reason
        missing = [number for name, number in primary.items() if name not in present]
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
    workloads = []
    for key, every in groups.items():
        members, notes = without_copies(every)
        members.sort(key=lambda member: (member[1].record.order, member[1].record.role != "reference"))
        used = {raw.record.provenance.machine for _, raw in members}
        workloads.append(
            WorkloadCells(
                title=_title(key, list(groups)),
                suites=tuple(dict.fromkeys(view.suite for view, _ in members)),
                cells=tuple(raw.record for _, raw in members),
                machines=machines.facts,
                levels=tuple(dict.fromkeys(level for view, _ in members if (level := level_of(view)) is not None)),
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
    here, by = place_of(cell), workload.standing(cell).by
    parts = [f"by {by}"] if by and len(workload.hands[cell.method_id]) > 1 else []
    parts += [part[:8] for i, part in enumerate(here) if len({place[i] for place in workload.places}) > 1]
    twins = workload.twins[cell.method_id, here]
    if len(twins) > 1:
        parts += [cell.suite] if len({twin.suite for twin in twins}) > 1 else []
        parts.append(cell.finished_utc[:16].replace("T", " "))
        alike = [twin for twin in twins if (twin.suite, twin.finished_utc[:16]) == (cell.suite, cell.finished_utc[:16])]
        parts += [f"in {workload.stores[id(cell)]}"] if len(alike) > 1 else []
    return " ".join(parts)


def name_of(workload: WorkloadCells, cell: CellRecord) -> str:
    """Return the method's id, with its place where the workload has several."""
    return " ".join(filter(None, (cell.method_id, where_of(workload, cell))))


def names_of(workload: WorkloadCells) -> tuple[str, ...]:
    """Return a name for each cell that no other cell has: ``name_of``, and where that is shared, its store or its place."""
    names = [name_of(workload, cell) for cell in workload.cells]
    stores = [raw.path.parents[1].name for raw in workload.raw]
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
    measure = view.lock.get("measure")
    latency = measure.get("latency") if isinstance(measure, Mapping) else None
    sizes = latency.get("batch_sizes") if isinstance(latency, Mapping) else None
    return RawCell(cell, view.path / "cells" / cell.id, tuple(sizes or ()))


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
        for cell in view.cells:
            found.setdefault(_workload_key(cell), []).append((view, raw_cell(view, cell)))
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


def _title(key: tuple[str, ...], keys: Sequence[tuple[str, ...]]) -> str:
    """Return the task id, followed by what tells it from other workloads of the same id."""
    rivals = [json.loads(other[2]) for other in keys if other[0] == key[0]]
    if len(rivals) == 1:
        return key[0]
    params = json.loads(key[2])
    told = [f"{name}={params[name]}" for name in sorted(params) if any(r.get(name) != params[name] for r in rivals)]
    for place, word in ((1, "task"), (3, "revision"), (4, "subset")):
        if len({other[place] for other in keys if other[0] == key[0]}) > 1:
            told.append(f"{word} {key[place][:12] or 'none'}")
    return f"{key[0]} [{', '.join(told)}]"
