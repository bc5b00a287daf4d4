"""Which cells of a store are exported: those of some methods, of one task or of all."""

from __future__ import annotations

from collections.abc import Sequence

from effbench.errors import BadInput, nearest
from effbench.record import CellRecord
from effbench.store import StoreView


def chosen_cells(view: StoreView, methods: Sequence[str] = (), task: str | None = None) -> tuple[CellRecord, ...]:
    """Return the cells of some methods (none: of all), of a task where one is given, in the store's order.

    Raises ``BadInput`` with the nearest name where there is no such method or task, or a method did not run on the task.
    """
    _check("method", methods, {cell.method_id for cell in view.cells})
    _check("task", [] if task is None else [task], {cell.task_id for cell in view.cells})
    found = [c for c in view.cells if (not methods or c.method_id in methods) and task in (None, c.task_id)]
    for method in methods:
        if not any(cell.method_id == method for cell in found):
            tasks = {cell.task_id for cell in view.cells if cell.method_id == method}
            raise BadInput(f"{method} did not run on task {task!r}{nearest(task or '', tasks)}")
    return tuple(found)


def _check(what: str, asked: Sequence[str], known: set[str]) -> None:
    for name in asked:
        if name not in known:
            raise BadInput(f"no {what} {name!r} in this store{nearest(name, known)}")
