"""What a page shows that is drawn again and again: the summary of some stores, of which only what changed is read again.

A workload whose cells are the same records is the same object as before, so what was computed from it (``WorkloadCells.key``)
still holds.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from threading import Lock

from effbench.errors import StoreError
from effbench.report.summarise import Summary, WorkloadCells, summarise_stores
from effbench.store import StoreView
from effbench.storereader import FileMark, StoreReader
from effbench.verification import VERIFICATION

SHARE_LOOKING = 0.1
"""Share of the time that may go into looking whether a store changed: small stores are looked at every time, one of ten
thousand cells about twice a second, one on a slow network drive once a minute."""

BESIDE = ("submission.yaml", VERIFICATION)
"""What is read of a store besides its records: who sent it in, and who checked it."""

MOST_CHOICES = 8
"""Choices of stores whose summaries are kept; of each store there is only one copy in memory."""


_KEYS = count(1)


@dataclass(frozen=True)
class Snapshot:
    """Some stores as they were when last looked at: ``views`` are those that could be read, in the order asked for.

    ``unreadable`` are the others with the sentence that says why.
    """

    summary: Summary
    views: tuple[StoreView, ...]
    unreadable: tuple[tuple[Path, str], ...]
    beside: tuple[FileMark | None, ...] = ()
    """Of each store, its manifest as a submission and the history of its checks; None where there is no such file."""
    key: str = field(default_factory=lambda: f"snapshot {next(_KEYS)}", compare=False)
    """What stands for this very object in caches of this process."""

    @property
    def unfinished(self) -> tuple[tuple[Path, tuple[str, ...]], ...]:
        """Return the stores that are not finished, each with its cells that are not, as ``task/method``."""
        return tuple((view.path, view.unfinished) for view in self.views if view.unfinished)


class Snapshots:
    """Keeps stores in memory between looks, for one process; may be shared by threads."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._readers: dict[Path, _Watched] = {}
        self._made: OrderedDict[tuple[Path, ...], Snapshot] = OrderedDict()

    def of(self, paths: Sequence[Path]) -> Snapshot:
        """Return what some stores hold: the very same snapshot as before where nothing changed since."""
        chosen = tuple(dict.fromkeys(paths))
        with self._turn:
            watched = [self._readers.setdefault(path, _Watched(path)) for path in chosen]
        seen = [one.look() for one in watched]
        views = tuple(found for found in seen if isinstance(found, StoreView))
        beside = tuple(_mark(path / name) for path in chosen for name in BESIDE)
        unreadable = tuple((path, found) for path, found in zip(chosen, seen) if isinstance(found, str))
        with self._turn:
            before = self._made.get(chosen)
            said = before and (before.unreadable, before.beside)
            if before is None or said != (unreadable, beside) or not _are_same(before.views, views):
                summary = summarise_stores([view for view in views if view.cells])
                summary = _with_kept(summary, [made.summary for made in reversed(self._made.values())])
                self._made[chosen] = before = Snapshot(summary, views, unreadable, beside)
            self._made.move_to_end(chosen)
            while len(self._made) > MOST_CHOICES:
                self._made.popitem(last=False)
            return before


class _Watched:
    """A store, with when it is to be looked at again."""

    def __init__(self, path: Path) -> None:
        self._reader, self._turn = StoreReader(path), Lock()
        self._seen: StoreView | str | None = None
        self._again = 0.0

    def look(self) -> StoreView | str:
        """Return the store, or the sentence that says why it cannot be read."""
        with self._turn:
            if self._seen is not None and time.monotonic() < self._again:
                return self._seen
            begin, before = time.monotonic(), self._seen
            try:
                self._seen = self._reader.read()
            except StoreError as error:
                self._seen = str(error)
            now = time.monotonic()
            # What was just read took longer than the next look will.
            self._again = now + (now - begin) * (1 / SHARE_LOOKING - 1) if self._seen is before else now
            return self._seen


def _mark(file: Path) -> FileMark | None:
    try:
        return FileMark.of(file.stat())
    except OSError:
        return None


def _are_same(before: Sequence[StoreView], views: Sequence[StoreView]) -> bool:
    return len(before) == len(views) and all(old is new for old, new in zip(before, views))


def _with_kept(summary: Summary, earlier: Sequence[Summary]) -> Summary:
    """Return a summary with the workloads of earlier ones in the place of those that say the same."""
    known: dict[str, list[WorkloadCells]] = {}
    for workload in (workload for made in earlier for workload in made.workloads):
        known.setdefault(workload.title, []).append(workload)
    kept = tuple(
        next((old for old in known.get(new.title, ()) if old.says_the_same_as(new)), new) for new in summary.workloads
    )
    return Summary(summary.suite, kept)
