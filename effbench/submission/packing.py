"""From a store to a submission: one method's cells, their references, and of their files what numbers are made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from effbench.atomic import file_sha256, write_bytes
from effbench.counted import counted
from effbench.errors import BadInput, StoreError, nearest
from effbench.inside import check_inside, root_of
from effbench.parts import named_in
from effbench.record import CellRecord
from effbench.store import StoreView
from effbench.submission.manifest import NAME, Manifest, is_known, write_manifest

OUTPUTS = ("outputs", "previews")
"""Folders of a cell that hold what was drawn: large, and only needed from level ``rescore`` on."""
TABLES = ("samples", "timings", "draws")
"""Folders of a cell that hold tables; those that its record names alone are packed, and no others beside them are taken."""


def pack(
    view: StoreView,
    method: str,
    out: Path,
    *,
    licence: str,
    by: str = "",
    source: str = "",
    notes: str = "",
    outputs_mb: float = 50,
    tasks: Collection[str] | None = None,
) -> Manifest:
    """Write a submission of a method, on all tasks or some, into an empty or new folder and return its manifest.

    Outputs of a cell are packed up to ``outputs_mb``; those of a larger one are left out whole. Raises ``BadInput`` where the
    store holds no finished cell of the method, or one that failed, or the folder is taken.
    """
    cells = _cells_of(view, method, tasks)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"{out}: is not an empty folder; name another with --out")
    own = {cell.id for cell in cells}
    beside = [c for c in view.cells if c.id in {cell.reference_cell for cell in cells} - own]
    packed = sorted((*cells, *beside), key=lambda cell: (cell.task_id, cell.order))
    files = [name for cell in packed for name in _files_of(view.path, cell, outputs_mb)]
    machines = sorted({f"machine/{cell.provenance.machine}.json" for cell in packed})
    files += [name for name in machines if is_known(name) and (view.path / name).exists()]
    out.mkdir(parents=True, exist_ok=True)
    root = root_of(view.path)
    for name in (*files, "suite.lock.yaml"):
        check_inside(view.path / name, root)
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(view.path / name, out / name)
    plan = [{"id": c.id, "task": c.task_id, "method": c.method_id} for c in packed]
    write_bytes(out / "plan.json", json.dumps(plan, indent=0).encode())
    origins = {what: where for cell in cells for what, where in cell.provenance.origins.items()}
    manifest = Manifest(
        method=method,
        suite=view.suite,
        tasks=tuple(dict.fromkeys(cell.task_id for cell in cells)),
        cells=tuple(cell.id for cell in cells),
        licence=licence,
        by=by,
        source=source,
        notes=notes,
        origins=origins,
        files={name: file_sha256(out / name) for name in (*files, "suite.lock.yaml", "plan.json")},
    )
    write_manifest(out, manifest)
    return manifest


def _cells_of(view: StoreView, method: str, tasks: Collection[str] | None) -> list[CellRecord]:
    every = [cell for cell in view.cells if cell.method_id == method]
    if not every:
        known = dict.fromkeys(cell.method_id for cell in view.cells)
        raise BadInput(f"no finished cell of method {method!r} in {view.path}{nearest(method, known)}")
    unfinished = [name for name in view.unfinished if name.partition("/")[2] == method]
    cells = every
    if tasks is not None:
        there = dict.fromkeys([*(cell.task_id for cell in every), *(name.partition("/")[0] for name in unfinished)])
        if strange := [name for name in tasks if name not in there]:
            raise BadInput(f"{method} ran on no task {strange[0]!r} in {view.path}{nearest(strange[0], there)}")
        cells = [cell for cell in every if cell.task_id in tasks]
        unfinished = [name for name in unfinished if name.partition("/")[0] in tasks]
    failed = [f"{cell.task_id}/{cell.method_id}" for cell in cells if cell.status != "complete"]
    if bad := [*failed, *unfinished]:
        raise BadInput(f"{', '.join(bad)}: not complete; run the suite to its end, or leave the task out of it")
    if lonely := [c.task_id for c in cells if c.role != "reference" and c.reference_cell is None]:
        raise BadInput(f"{method} ran without a reference on {lonely[0]}: nothing could be compared with it")
    return cells


def _files_of(store: Path, cell: CellRecord, outputs_mb: float) -> list[str]:
    """Return the paths of a cell's files that are packed, relative to the store."""
    folder = store / "cells" / cell.id
    names = [str(file.relative_to(store)) for file in sorted(folder.rglob("*")) if file.is_file()]
    known = [name for name in names if is_known(name) and not is_unnamed(cell, name.split("/")[2:])]
    if any(f"cells/{cell.id}/{name}" not in known for name in cell.files):
        raise StoreError(f"{folder}: lacks a file that its record names; run the suite again")
    if "setting.json" not in cell.files:
        raise BadInput(f"{folder}: is of before schema 3, which kept no setting; run the suite again")
    drawn = [name for name in known if name.split("/")[2] in OUTPUTS]
    if sum((store / name).stat().st_size for name in drawn) > 1e6 * outputs_mb:
        known = [name for name in known if name not in drawn]
    return known


def folder_name(method: str) -> str:
    """Return a method's id as the name of one folder: nothing that leads elsewhere stays in it."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in method).lstrip(".") or "method"


def is_unnamed(cell: CellRecord, place: Sequence[str]) -> bool:
    """Return whether a file of a cell (its path in parts) is a table that stands beside those which its record names."""
    named = named_in(cell.files, place[0]) if place[0] in TABLES else None
    return named is not None and "/".join(place[1:]) not in named


def summary_of(manifest: Manifest, out: Path) -> str:
    """Return what was packed, in a sentence or two."""
    outputs = [name for name in manifest.files if "/outputs/" in name]
    size = sum(_sizes(out, manifest.files)) / 1e6
    kept = counted(len(outputs), "file") + " of outputs" if outputs else "no outputs, so that nobody can rescore it"
    return (
        f"{out}: {manifest.method} on {', '.join(manifest.tasks)}; {counted(len(manifest.files), 'file')}, {size:.1f} MB, "
        f"{kept}. Send the folder with its {NAME}."
    )


def _sizes(out: Path, names: Iterable[str]) -> list[int]:
    return [(out / name).stat().st_size for name in names]
