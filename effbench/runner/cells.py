"""What a run will do, as data: cells, the tasks that they belong to, the plan of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from effbench.api import Execution, Method, Metric, Sample, Task
from effbench.errors import BadInput, nearest
from effbench.globs import meant
from effbench.record import Identity
from effbench.subset.manifest import SubsetManifest
from effbench.suite import Suite, TaskEntry


@dataclass(frozen=True)
class Cell:
    """One (task, method chain, parameters): the unit of identity and of results."""

    id: str
    task_id: str
    method_id: str
    role: Literal["reference", "method"]
    order: int
    chain: tuple[Method, ...]
    identity: Identity
    execution: Execution
    unsupported: str | None
    code_version: str
    origins: tuple[tuple[str, str], ...]

    @property
    def random_preparation(self) -> bool:
        """Return whether every seed of the suite prepares an artifact of its own."""
        return any(method.random_preparation for method in self.chain)

    @property
    def needs_preparation(self) -> bool:
        """Return whether any link of the chain prepares anything."""
        return needs_preparation(self.chain)

    def trainings(self, seeds: Sequence[int]) -> tuple[int | None, ...]:
        """Return the seeds that have an artifact of their own; one None where all share one, nothing where there is none."""
        if not self.needs_preparation:
            return ()
        return tuple(seeds) if self.random_preparation else (None,)

    @property
    def label(self) -> str:
        """Return "task/method"."""
        return f"{self.task_id}/{self.method_id}"


@dataclass(frozen=True)
class TaskPlan:
    """A task of the suite with its samples and its cells, the reference first where there is one."""

    entry: TaskEntry
    task: Task
    device: str
    dtype: str
    samples: tuple[Sample, ...]
    cells: tuple[Cell, ...]
    subset: SubsetManifest | None = None
    """The condensed subset that ``samples`` are; None for all samples and for a subset that the task itself defines."""
    comparisons: int = 1
    """How many methods the suite compares with the reference here, whatever part of it runs."""
    listed: str = ""
    """Hash of the ids of the whole evaluation split, on which every process must agree."""

    @property
    def subset_name(self) -> str | None:
        """Return what a record names the subset by."""
        return self.subset.reference if self.subset else self.entry.samples.subset

    @property
    def weights(self) -> dict[str, float] | None:
        """Return sample id -> weight, of mean 1 over the subset; None where all samples weigh the same."""
        return dict(self.subset.weight_of()) if self.subset and self.subset.weights else None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the metrics that the suite asks of the task."""
        chosen = self.entry.metrics
        return tuple(m for m in self.task.metrics if chosen is None or m.name in chosen)

    @property
    def reference(self) -> Cell | None:
        """Return the cell that the others are compared with."""
        return next((cell for cell in self.cells if cell.role == "reference"), None)

    def reference_of(self, cell: Cell) -> str:
        """Return the id of the reference that a cell is scored against, or "" where its scores need none."""
        reference = self.reference
        if reference is None or cell.id == reference.id or not any(m.needs_reference for m in self.task.metrics):
            return ""
        return reference.id


@dataclass(frozen=True)
class Plan:
    """Everything a run will do."""

    suite: Suite
    tasks: tuple[TaskPlan, ...]

    @property
    def cells(self) -> list[Cell]:
        """Return all cells in the suite's order."""
        return sorted((cell for task in self.tasks for cell in task.cells), key=lambda cell: cell.order)

    def only(self, globs: Sequence[str]) -> Plan:
        """Return the plan with the cells whose task/method or method a glob means, and the references they need.

        Raises ``BadInput`` where one of the globs means no cell.
        """
        if not globs:
            return self
        names = {name for cell in self.cells for name in (cell.label, cell.method_id)}
        chosen: set[str] = set()
        for glob in globs:
            found = meant(glob, names)
            if not found:
                hint = nearest(glob, names if "/" not in glob else [cell.label for cell in self.cells])
                raise BadInput(f"--only {glob}: matches no cell{hint}")
            chosen |= found
        tasks = []
        for task in self.tasks:
            asked = [cell for cell in task.cells if cell.label in chosen or cell.method_id in chosen]
            kept = tuple(cell for cell in task.cells if cell in asked or (asked and cell.role == "reference"))
            if kept:
                tasks.append(replace(task, cells=kept))
        return Plan(self.suite, tuple(tasks))


def needs_preparation(chain: Sequence[Method]) -> bool:
    """Return whether any link of a chain prepares anything."""
    return any(type(method).prepare is not Method.prepare for method in chain)
