"""What stands beside a submission in its repository: methods of its workload to compare with, and whose outputs it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from effbench.catalogue import SPEEDUP
from effbench.errors import BadInput, StoreError
from effbench.parts import read_parts
from effbench.record import CellRecord
from effbench.report.summarise import number_of
from effbench.repository.places import places_in
from effbench.store import SAMPLE_KEY, CellFolder, StoreView, read_store
from effbench.submission.manifest import Manifest, read_manifest

MOST = 200
"""Submissions of one system that are looked at, in the order of their names: more would take minutes for one comment."""


class Neighbour(NamedTuple):
    """A submission with the one cell that its place is of."""

    place: PurePosixPath
    manifest: Manifest
    view: StoreView
    cell: CellRecord

    @property
    def reference(self) -> CellRecord | None:
        """Return the cell that it was compared with in its own suite, None where it is that."""
        return next((c for c in self.view.cells if c.id == self.cell.reference_cell and c.id != self.cell.id), None)


def submission_at(repository: Path, place: PurePosixPath) -> Neighbour | None:
    """Return the submission at a place, or None where it cannot be read or is not of one cell."""
    try:
        manifest, view = read_manifest(repository / place), read_store(repository / place)
    except (BadInput, StoreError):
        return None
    own = [cell for cell in view.cells if cell.id in manifest.cells]
    return Neighbour(place, manifest, view, own[0]) if len(own) == 1 else None


def neighbours_of(repository: Path, ours: Neighbour) -> list[Neighbour]:
    """Return the other submissions of the same workload and subset."""
    system = ours.place.parent.parent
    places = [place for place in places_in(repository, system) if place != ours.place][:MOST]
    found = filter(None, (submission_at(repository, place) for place in places))
    return [
        other for other in found if _workload(other.cell) == _workload(ours.cell) and other.cell.status == "complete"
    ]


def nearest_of(ours: Neighbour, others: list[Neighbour]) -> Neighbour | None:
    """Return the one to compare with: what was measured again, else another method whose primary quality is nearest.

    Of methods equally near, and where there is no quality, the one with the larger speed-up.
    """
    same = [other for other in others if other.cell.id == ours.cell.id]
    rivals = same or [other for other in others if other.manifest.method != ours.manifest.method]
    return min(rivals, key=lambda other: (_distance(ours, other), -(_value(other.cell, SPEEDUP) or 0.0)), default=None)


def twins_of(repository: Path, ours: Neighbour, others: list[Neighbour]) -> Iterator[str]:
    """Yield a sentence per method of the workload, its own reference too, whose outputs are the same to the bit."""
    mine = _hashes(repository, ours.place, ours.cell)
    if not mine:
        return
    known = [(ours.place, ours.reference, "its own reference")] if ours.reference is not None else []
    known += [(other.place, other.cell, f"{other.manifest.method} of {other.manifest.by}") for other in others]
    for place, cell, name in known:
        theirs = _hashes(repository, place, cell)
        shared = mine.keys() & theirs.keys()
        if shared and cell.method_id != ours.cell.method_id and all(mine[key] == theirs[key] for key in shared):
            yield (
                f"its outputs are those of {name} to the bit ({len(shared)} of {len(mine)} samples): right where a method "
                "changes no output, and to be asked about everywhere else"
            )


def _hashes(repository: Path, place: PurePosixPath, cell: CellRecord) -> Mapping[tuple[int, str], str]:
    try:
        table = read_parts(CellFolder(repository / place / "cells" / cell.id).samples, SAMPLE_KEY, ("output_sha256",))
    except StoreError:
        return {}
    if table is None:
        return {}
    seeds, samples, hashes = (table[name].to_pylist() for name in (*SAMPLE_KEY, "output_sha256"))
    return dict(zip(zip(seeds, samples), hashes))


def _workload(cell: CellRecord) -> tuple[object, ...]:
    identity = cell.identity
    return identity.task, identity.task_params, identity.system_revision, cell.subset


def _distance(ours: Neighbour, other: Neighbour) -> float:
    primary = next((n for n in ours.cell.numbers if n.axis == "quality" and n.primary and n.value is not None), None)
    if primary is None or primary.value is None:
        return 0.0
    theirs = _value(other.cell, primary.name)
    return float("inf") if theirs is None else abs(theirs - primary.value)


def _value(cell: CellRecord, name: str) -> float | None:
    number = number_of(cell, name)
    return None if number is None else number.value
