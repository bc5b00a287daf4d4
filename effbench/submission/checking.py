"""The two levels that run no code of a stranger: that everything is there as listed, and that numbers follow from parts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from effbench.atomic import file_sha256
from effbench.errors import BadInput, StoreError
from effbench.inside import check_inside, root_of
from effbench.legible import legible
from effbench.numbers.record import recomputed
from effbench.record import CellRecord, Number
from effbench.store import CellFolder, StoreView, read_store
from effbench.submission.manifest import MOST_BYTES, MOST_FILES, NAME, Manifest, read_manifest
from effbench.submission.packing import is_unnamed
from effbench.submission.settings import entry_of_task, read_suite, setting_against_suite
from effbench.submission.summaries import plain_sentences
from effbench.suite import Suite
from effbench.verification import VERIFICATION, Level

SAME = 1e-9
"""Relative difference up to which a number is the one in the record: another build of numpy sums in another order."""
APART = {"numbers", "provenance", "finished_utc", "files"}
"""Fields of a record that are compared elsewhere, or say where and when it was made, which follows from nothing."""
COMPARED = ("value", "ci_low", "ci_high")
"""Fields of a number that are held against each other as numbers; all others must be equal."""


class Finding(NamedTuple):
    """One thing that is not as it should be: where (a file, or task/method), and what, in a sentence."""

    where: str
    what: str


class LevelOutcome(NamedTuple):
    """What a level found: ``compared`` things were looked at, and ``findings`` is empty where the level is passed.

    ``difference`` is the largest relative difference that was seen and tolerated. ``missing`` says why a level could look at
    nothing, which passes nobody. ``notes`` are worth saying either way.
    """

    level: Level
    findings: tuple[Finding, ...]
    compared: int
    difference: float = 0.0
    missing: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Return whether somebody may be told that this level holds."""
        return not self.findings and not self.missing


def check_schema(path: Path) -> LevelOutcome:
    """Return whether a submission is whole: files as listed and nothing else, readable, and about what it says."""
    try:
        manifest = read_manifest(path)
        findings = list(_file_findings(path, manifest)) or list(_record_findings(read_store(path), manifest))
    except (BadInput, StoreError) as error:
        return LevelOutcome("schema", (Finding(NAME, legible(str(error))),), 0)
    return LevelOutcome("schema", tuple(findings), len(manifest.files))


def _file_findings(path: Path, manifest: Manifest) -> Iterator[Finding]:
    root, total = root_of(path), 0
    for name, sha in manifest.files.items():
        try:
            check_inside(path / name, root)
        except FileNotFoundError:
            yield Finding(name, "is listed and not there")
            continue
        total += (path / name).stat().st_size
        if total > MOST_BYTES:
            yield Finding(name, f"the files together are larger than {MOST_BYTES / 2**30:.0f} GiB")
            return
        if file_sha256(path / name) != sha:
            yield Finding(name, "is not the file that was listed (its sha256 differs)")
    listed = {*manifest.files, NAME, VERIFICATION}
    for number, name in enumerate(_names_below(path)):
        if number > MOST_FILES:
            yield Finding(NAME, f"more than {MOST_FILES} files")
            return
        if name not in listed:
            yield Finding(name, "is there and not listed")


def _names_below(path: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder; links to folders are files here, and not followed."""
    for folder, folders, files in os.walk(path):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted((*files, *links)):
            yield str((Path(folder) / name).relative_to(path))


def _record_findings(view: StoreView, manifest: Manifest) -> Iterator[Finding]:
    cells = {cell.id: cell for cell in view.cells}
    for name in view.unfinished:
        yield Finding(name, "is planned and has no record")
    for cell_id in manifest.cells:
        if cell_id not in cells:
            yield Finding(cell_id, "is listed as a cell of the method and is in no plan")
        elif cells[cell_id].method_id != manifest.method:
            yield Finding(cell_id, f"is a cell of {cells[cell_id].method_id}, not of {manifest.method}")
    beside = {cell.reference_cell for cell in view.cells}
    for cell in view.cells:
        where = f"{cell.task_id}/{cell.method_id}"
        if cell.id not in manifest.cells and (cell.method_id == manifest.method or cell.id not in beside):
            yield Finding(where, "is neither listed as a cell of the method nor anybody's reference")
        if cell.status != "complete":
            yield Finding(where, "is not complete")
        if not CellFolder(view.path / "cells" / cell.id).is_intact(cell):
            yield Finding(where, "a file that its record names is missing or has another content")
        own = (name.split("/") for name in manifest.files if name.startswith(f"cells/{cell.id}/"))
        for place in (place for place in own if is_unnamed(cell, place[2:])):
            yield Finding("/".join(place), "is a table beside those that the record of its cell names")
        if cell.reference_cell is not None and cell.reference_cell not in cells:
            yield Finding(where, f"its reference {cell.reference_cell} was not sent in")


def check_numbers(path: Path) -> LevelOutcome:
    """Return whether every number of every record follows from the raw parts beside it; no plugin is needed or run."""
    findings: list[Finding] = []
    compared, worst = 0, 0.0
    view, suite = read_store(path), read_suite(path)
    for cell in view.cells:
        where, folder = f"{cell.task_id}/{cell.method_id}", CellFolder(path / "cells" / cell.id)
        try:
            again = recomputed(folder, cell)
            sentences = _unfounded(cell, folder, suite)
        except (StoreError, ValueError, KeyError) as error:
            findings.append(Finding(where, legible(f"cannot be recomputed: {error}")))
            continue
        compared += len(cell.numbers)
        findings += [Finding(where, what) for what in sentences]
        for what, difference in _differences(cell, again):
            worst = max(worst, difference)
            if what:
                findings.append(Finding(where, what))
    return LevelOutcome("recompute", tuple(findings), compared, worst)


def _unfounded(cell: CellRecord, folder: CellFolder, suite: Suite) -> list[str]:
    """Return sentences on what a record agrees with although nothing else does: its id, what was asked, the summary."""
    found = (
        [] if cell.id == cell.identity.cell_id else [f"its id is not the hash of its identity, {cell.identity.cell_id}"]
    )
    setting = folder.setting()
    if setting is None:  # said by who recomputes
        return found
    found += setting_against_suite(setting, suite, entry_of_task(suite, cell))
    # What was asked decides how much there is to compute.
    return found or [legible(said) for said in plain_sentences(folder, setting)]


def _differences(cell: CellRecord, again: CellRecord) -> Iterator[tuple[str, float]]:
    """Yield (sentence, relative difference) of what a record says against what its parts give; "" where it is tolerated."""
    ours, theirs = ({number.name: number for number in record.numbers} for record in (cell, again))
    for name in dict.fromkeys((*ours, *theirs)):
        if name not in theirs:
            yield f"{legible(name)} stands in the record and follows from no part", math.inf
        elif name not in ours:
            yield f"{legible(name)} follows from the parts and is not in the record", math.inf
        else:
            yield _difference(ours[name], theirs[name])
    rest, found = (record.model_dump(mode="json", exclude=APART) for record in (cell, again))
    for said, value in rest.items():
        if not _is_same(value, found[said]):
            yield f"{said} is not what the parts say", math.inf


def _is_same(a: Any, b: Any) -> bool:
    """Return whether two plain values are equal, numbers up to ``SAME``."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or abs(a - b) <= SAME * max(abs(a), abs(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_is_same(value, b[key]) for key, value in a.items())
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_is_same, a, b))
    return bool(a == b)


def _difference(ours: Number, theirs: Number) -> tuple[str, float]:
    said, found = asdict(ours), asdict(theirs)
    worst = 0.0
    for part in COMPARED:
        a, b = said.pop(part), found.pop(part)
        if (a is None) != (b is None):
            return f"{ours.name}: {part} is {a} in the record and {b} from its parts", math.inf
        if a is not None and a != b:
            relative = abs(a - b) / max(abs(a), abs(b))
            if not relative <= SAME:
                return f"{ours.name}: {part} is {a:.6g} in the record and {b:.6g} from its parts", relative
            worst = max(worst, relative)
    other = next((name for name in said if said[name] != found[name]), None)
    if other is not None:
        return f"{ours.name}: {other} is {said[other]!r} in the record and {found[other]!r} from its parts", math.inf
    return "", worst
