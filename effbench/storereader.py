"""Reading a store again: only the files that changed since the last time are opened.

What tells that a file is the one that was read is its inode with its size and times. Every writer of ours replaces a file
whole, which makes another inode; a file edited in place has other times. Times have a grain, so within ``YOUNG_NS`` of its
last change a file is not trusted to stay as it was read, and is read once more.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from effbench.inside import root_of
from effbench.record import CellRecord
from effbench.store import StoreView, read_lock, read_machines, read_plan, read_record, uncollected
from effbench.storeschema import PlannedCell

YOUNG_NS = 3_000_000_000
"""Three seconds: the coarsest times in use are FAT's, of two."""


MANY = 100
"""Records from which on it pays to keep the collector out; what else is young then passes for old and is collected late."""


class FileMark(NamedTuple):
    """What another version of a file differs in."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileMark:
        """Return the mark of a file that was looked at."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def mark_of(file: str) -> FileMark | None:
    """Return the mark of a file that has not changed for a while; None where it has, or cannot be looked at."""
    try:
        status = os.stat(file)  # noqa: PTH116 - ten thousand at a time, and a Path takes longer to make than to look
    except OSError:
        return None
    found = FileMark.of(status)
    return found if time.time_ns() - max(found.modified_ns, found.changed_ns) > YOUNG_NS else None


class StoreReader:
    """A store that is looked at again and again; may be shared by threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = Lock()
        self._suite: tuple[Any, dict[str, Any]] = (None, {})
        self._plan: tuple[Any, tuple[PlannedCell, ...]] = (None, ())
        self._machines: tuple[Any, Mapping[str, Mapping[str, Any]]] = (None, {})
        self._cells: dict[str, tuple[FileMark | None, CellRecord]] = {}
        self._view: StoreView | None = None

    def read(self) -> StoreView:
        """Return the store as it is now, as ``read_store`` does: the very same view where nothing changed."""
        with self._turn:
            self._look()
            view = self._seen()
            if self._view is None or not _is_same(view, self._view):
                self._view = view
            return self._view

    def _look(self) -> None:
        """Read what changed. A mark is taken before its file is read: what replaces it meanwhile is seen the next time."""
        if (mark := mark_of(f"{self.path}/suite.lock.yaml")) is None or mark != self._suite[0]:
            self._suite = mark, read_lock(self.path)
        if (mark := mark_of(f"{self.path}/plan.json")) is None or mark != self._plan[0]:
            self._plan = mark, read_plan(self.path)
        if None in (marks := self._machine_marks()) or marks != self._machines[0]:
            self._machines = marks, read_machines(self.path)
        changed = []
        for planned in self._plan[1]:
            file = f"{self.path}/cells/{planned.id}/cell.json"
            mark, known = mark_of(file), self._cells.get(planned.id)
            if mark is None or known is None or known[0] != mark:
                changed.append((planned.id, file, mark))
        if changed:
            self._read_records(changed)
        if len(self._cells) > len(self._plan[1]):
            planned_ids = {planned.id for planned in self._plan[1]}
            self._cells = {cell_id: found for cell_id, found in self._cells.items() if cell_id in planned_ids}

    def _read_records(self, changed: Sequence[tuple[str, str, FileMark | None]]) -> None:
        """Read the records of some cells, given the id, file and mark of each.

        The object that there was is kept where it says the same: what was made of it still holds.
        """
        root = root_of(self.path)
        with uncollected() if len(changed) >= MANY else nullcontext():
            for cell_id, file, mark in changed:
                record = read_record(file, root, cell_id)
                _, before = self._cells.pop(cell_id, (None, None))
                if record is not None:
                    self._cells[cell_id] = mark, before if before == record and before is not None else record

    def _machine_marks(self) -> tuple[tuple[str, FileMark] | None, ...]:
        """Return name and mark of every file about a machine; None among them where one is young."""
        try:
            names = sorted(os.listdir(f"{self.path}/machine"))  # noqa: PTH208 - names are all that is needed
        except OSError:
            return ()
        marks = ((name, mark_of(f"{self.path}/machine/{name}")) for name in names)
        return tuple(None if mark is None else (name, mark) for name, mark in marks)

    def _seen(self) -> StoreView:
        cells, unfinished = [], []
        for planned in self._plan[1]:
            found = self._cells.get(planned.id)
            if found is None:
                unfinished.append(f"{planned.task}/{planned.method}")
            else:
                cells.append(found[1])
        suite = self._suite[1]
        return StoreView(self.path, suite["name"], suite, tuple(cells), self._machines[1], tuple(unfinished))


def _is_same(new: StoreView, old: StoreView) -> bool:
    """Return whether a view says what another does; records that say the same are the same objects here."""
    return (
        new.unfinished == old.unfinished
        and len(new.cells) == len(old.cells)
        and all(ours is theirs for ours, theirs in zip(new.cells, old.cells))
        and new.lock == old.lock
        and new.machines == old.machines
    )
