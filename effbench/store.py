"""A store: the folder that holds everything a suite has computed, and from which everything can be shown again.

::

    suite.lock.yaml             the suite as resolved
    plan.json                   which cells belong to it now, in order
    machine/<fingerprint>.json  the machines that measured
    cells/<id>/cell.json        the finished record, the only file that reports read
              /setting.json     what was asked of the cell, and what its plugins declared
              /jobs/*.json      what each job left besides tables
              /artifact/        what the method's preparation left (``effbench.artifacts``)
              /thresholds/      what was frozen on the validation split
              /samples/ timings/ outputs/ previews/    content-named parts, merged when the cell completes
              /log.txt          what the workers printed

A store belongs to the name of its suite. One run writes at a time; readers need no lock, since every file is replaced
whole.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from effbench.atomic import file_sha256, write_bytes
from effbench.errors import BadInput, StoreError
from effbench.inside import (
    Root,
    damaged,
    files_inside,
    is_inside,
    leads_out,
    read_inside,
    root_of,
    store_of,
)
from effbench.legible import all_legible, legible, legible_line, may_hide
from effbench.record import CellRecord
from effbench.setting import Setting
from effbench.storeschema import LOCK_SCHEMA, PLAN, Finite, JobResult, Lock, Machine, PlannedCell, Sender, is_cell_id
from effbench.yamlpos import dotted, parse

SAMPLE_KEY = ("seed", "sample_id")
TIMING_KEY = ("round", "batch_size", "turn", "iteration", "phase")
CELL_FOLDERS = ("jobs", "samples", "timings", "outputs", "previews", "thresholds", "artifact", "draws", "work")
SETTING = "setting.json"
"""Of a cell: what was asked of it."""
THRESHOLDS: TypeAdapter[dict[str, Finite]] = TypeAdapter(dict[str, Finite])
T = TypeVar("T")


@dataclass(frozen=True)
class StoreView:
    """What a reader sees of a store: the cells of the suite as it is now, in its order."""

    path: Path
    suite: str
    lock: Mapping[str, Any]
    cells: tuple[CellRecord, ...]
    machines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unfinished: tuple[str, ...] = ()


def read_store(path: Path) -> StoreView:
    """Return one view over a store; raise ``StoreError`` in one sentence where it is missing, foreign or damaged.

    A store may come from anybody: nothing outside of it is read, and its text is ``legible``, names on one line.
    """
    suite = read_lock(path)
    root = root_of(path)
    cells, unfinished = [], []
    with uncollected():
        for planned in read_plan(path):
            record = read_record(f"{path}/cells/{planned.id}/cell.json", root, planned.id)  # Paths are slow to join
            if record is None:
                unfinished.append(f"{planned.task}/{planned.method}")
            else:
                cells.append(record)
    return StoreView(path, suite["name"], suite, tuple(cells), read_machines(path), tuple(unfinished))


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the cyclic collector from walking the objects made inside, which stay: it would take as long as making them."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # to the oldest generation, or the first allocation below walks all of them
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def read_record(file: str | Path, root: Root, cell_id: str) -> CellRecord | None:
    """Return the finished record of a cell, or None where there is none; raise ``StoreError`` where damaged."""
    try:
        data = read_inside(file, root)
    except FileNotFoundError:
        return None
    try:
        record = CellRecord.model_validate_json(data)
        if may_hide(data):
            record = CellRecord.model_validate(all_legible(record.model_dump(), legible_line))
    except ValidationError as error:
        raise damaged(file, f"or of another version: {why_invalid(error)}") from None
    if record.id != cell_id:
        raise damaged(file, f"it is the record of cell {record.id}")
    if record.reference_cell is not None and not is_cell_id(record.reference_cell):
        raise damaged(file, f"its reference {record.reference_cell!r} is no cell's id")
    if not _is_finite(record):
        name, value = next(
            (name, value) for name, value in _floats(record) if value is not None and not isfinite(value)
        )
        raise damaged(file, f"{name} is {value}; what has no value is null")
    return record


def _is_finite(record: CellRecord) -> bool:
    """Return whether every number of a record is finite, in a tenth of the time that naming them takes."""
    values = [x for n in record.numbers for x in (n.value, n.ci_low, n.ci_high) if x is not None]
    values += [x for x in record.resolutions.values() if x is not None]
    values += [claim.value for claim in record.claims]
    values += [attempt.seconds for attempt in record.attempts]
    for part in (record.stopping, record.noise):
        values += [x for x in part.__dict__.values() if isinstance(x, float)] if part is not None else []
    nested = [record.identity.task_params, [(link.passed, link.defaulted) for link in record.identity.chain]]
    nested += [claim.holds_for for claim in record.claims]
    return all(map(isfinite, values)) and all(isfinite(value) for _, value in _nested("", nested))


def _floats(record: CellRecord) -> Iterator[tuple[str, float | None]]:
    """Yield (name, value) of every number of a record."""
    for number in record.numbers:
        yield from ((number.name, value) for value in (number.value, number.ci_low, number.ci_high))
    yield from record.resolutions.items()
    yield from ((claim.metric, claim.value) for claim in record.claims)
    yield from ((attempt.job, attempt.seconds) for attempt in record.attempts)
    for part in (record.stopping, record.noise):
        if part is not None:
            yield from ((name, value) for name, value in part if isinstance(value, float))
    yield from _nested("task_params", record.identity.task_params)
    for link in record.identity.chain:
        yield from _nested(link.use, (link.passed, link.defaulted))
    yield from (found for claim in record.claims for found in _nested(claim.metric, claim.holds_for))


def _nested(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield the floats inside plain data, each under the nearest name above it."""
    if isinstance(value, float):
        yield name, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _nested(key, item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _nested(name, item)


def read_lock(path: Path) -> dict[str, Any]:
    """Return the suite as resolved, from ``suite.lock.yaml``; raise ``StoreError`` where there is none or it is damaged."""
    file = path / "suite.lock.yaml"
    try:
        data = read_inside(file, root_of(path))
    except FileNotFoundError:
        raise StoreError(f"{legible(str(path))}: not an EffBench store (no suite.lock.yaml)") from None
    try:
        lock = parse(data.decode(), str(file)).data
    except UnicodeDecodeError:
        raise damaged(file, "it is not UTF-8 text") from None
    except BadInput as error:
        raise StoreError(legible(str(error))) from None
    if not isinstance(lock, dict) or lock.get("schema") != LOCK_SCHEMA:
        found = lock.get("schema") if isinstance(lock, dict) else None
        raise damaged(file, f"schema {found!r} is not {LOCK_SCHEMA!r}, or another EffBench version wrote it")
    try:
        Lock.model_validate(lock)
    except ValidationError as error:
        raise damaged(file, why_invalid(error)) from None
    suite: dict[str, Any] = all_legible(lock["suite"])
    return suite | {"name": legible_line(lock["suite"]["name"])}


def read_plan(path: Path) -> tuple[PlannedCell, ...]:
    """Return the cells of the suite as it is now, in its order; raise ``StoreError`` where that cannot be told."""
    file = path / "plan.json"
    cells = _read_json(file, root_of(path), PLAN.validate_json)
    if cells is None:
        raise damaged(file, "there is none")
    return tuple(
        cell.model_copy(update=all_legible(dict(cell), legible_line)) if _hides(cell) else cell for cell in cells
    )


def _hides(cell: PlannedCell) -> bool:
    return not (cell.task.isascii() and cell.method.isascii() and (cell.task + cell.method).isprintable())


def read_machines(path: Path) -> dict[str, dict[str, Any]]:
    """Return fingerprint -> what is known of each machine; raise ``StoreError`` where a file is damaged."""
    root, folder = root_of(path), path / "machine"
    found = {}
    for file in files_inside(folder, root, "*.json"):
        facts = read_machine(file, root)
        if facts is not None:
            found[legible_line(file.stem)] = facts
    return found


def read_sender(path: Path) -> Sender | None:
    """Return who sent a store in, or None where it is nobody's submission; raise ``StoreError`` where that is damaged."""
    file = path / "submission.yaml"
    try:
        content = parse(read_inside(file, root_of(path)).decode(), str(file)).data
        sender = Sender.model_validate(content)
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise damaged(file, "it is not UTF-8 text") from None
    except BadInput as error:
        raise StoreError(legible(str(error))) from None
    except ValidationError as error:
        raise damaged(file, why_invalid(error)) from None
    return sender.model_copy(update={"by": legible(sender.by)})


def read_machine(file: Path, root: Root) -> dict[str, Any] | None:
    """Return what a file says of a machine, or None where there is none; raise ``StoreError`` where damaged."""
    machine = _read_json(file, root, Machine.model_validate_json)
    if machine is None:
        return None
    facts: dict[str, Any] = all_legible(machine.model_dump(exclude_unset=True), legible_line)
    return facts


def _read_json(file: Path, root: Root, read: Callable[[bytes], T]) -> T | None:
    """Return a file as ``read`` makes it, or None where there is none; raise ``StoreError`` naming it where damaged."""
    try:
        return read(read_inside(file, root))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise damaged(file, why_invalid(error)) from None


def why_invalid(error: ValidationError) -> str:
    """Return the first thing that pydantic found, as ``key.path: what``."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{dotted(first['loc'])}: {first['msg']}" if first["loc"] else first["msg"]


def setting_bytes(setting: Setting) -> bytes:
    """Return a setting as it stands in its file."""
    return setting.model_dump_json(indent=1).encode()


class Store:
    """A store opened for writing by one run at a time."""

    def __init__(self, path: Path) -> None:
        try:
            self.path = path.absolute()  # from the start: whoever changes the working folder does not move the store
        except FileNotFoundError:
            raise StoreError(f"{path}: the working folder was removed; change to one that exists") from None

    def open(self, suite: Mapping[str, Any], cells: Sequence[Mapping[str, str]]) -> None:
        """Create or extend the store of ``suite`` (resolved, with its name) and take its lock for this process.

        Raises ``StoreError`` where it cannot be written, belongs to another suite, or another run holds it.
        """
        from filelock import FileLock, Timeout

        if (self.path / "suite.lock.yaml").exists():
            name = read_lock(self.path)["name"]
            if name != suite["name"]:
                raise StoreError(f"{self.path}: this store belongs to suite {name!r}, not to {suite['name']!r}")
        elif self.path.is_dir() and any(self.path.iterdir()) and not (self.path / ".lock").exists():
            raise StoreError(f"{self.path}: the folder is not empty and not an EffBench store")
        self._refuse_links_out(cells)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self.path / ".lock", timeout=0)
            self._lock.acquire()
        except Timeout:
            raise StoreError(
                f"{self.path}: another run is writing to this store; wait for it or name another"
            ) from None
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        write_bytes(self.path / "plan.json", json.dumps([dict(cell) for cell in cells], indent=0).encode())
        lock = {"schema": LOCK_SCHEMA, "suite": dict(suite)}
        write_bytes(self.path / "suite.lock.yaml", yaml.safe_dump(lock, sort_keys=False, allow_unicode=True).encode())

    def _refuse_links_out(self, cells: Sequence[Mapping[str, str]]) -> None:
        """Raise where what a run writes would land outside the store."""
        root = root_of(self.path)
        folders = [self.path / name for name in ("machine", "cells", "aside")]
        for cell in cells:
            own = self.cell(cell["id"]).path
            folders += [own, *(own / name for name in CELL_FOLDERS)] if own.is_dir() else [own]
        for folder in folders:
            if folder.is_symlink() and leads_out(folder, root):
                raise StoreError(f"{folder}: leads out of the store, so it is not written to")

    def close(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def cell(self, cell_id: str) -> CellFolder:
        """Return the folder of a cell, which need not exist yet."""
        return CellFolder(self.path / "cells" / cell_id)

    def write_machine(self, fingerprint: str, facts: Mapping[str, Any]) -> None:
        """Write what is known of a machine; what an earlier run knew besides (its measured peaks) stays."""
        file = self.path / "machine" / f"{fingerprint}.json"
        known = read_machine(file, root_of(self.path)) or {}
        if {**known, **facts} != known:
            write_bytes(file, json.dumps({**known, **facts}, indent=1, sort_keys=True).encode())

    def move_aside(self, cell_id: str) -> Path | None:
        """Move a cell's folder to ``aside/`` under the time of day and return where it went; nothing is deleted."""
        folder = self.cell(cell_id).path
        if not folder.exists():
            return None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        target = self.path / "aside" / f"{cell_id}-{stamp}"
        try:
            target.parent.mkdir(exist_ok=True)
            return folder.rename(target)
        except OSError as error:
            raise StoreError(f"{folder}: cannot be moved aside: {error.strerror or error}") from None


class CellFolder:
    """The files of one cell."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples, self.timings, self.outputs = path / "samples", path / "timings", path / "outputs"
        self.artifact_folder, self.previews = path / "artifact", path / "previews"

    @property
    def root(self) -> Root:
        """Return the store that the cell stands in."""
        return store_of(self.samples)

    def record(self) -> CellRecord | None:
        """Return the finished record, or None where the cell is not finished; raise ``StoreError`` where damaged."""
        return read_record(self.path / "cell.json", self.root, self.path.name)

    def write_record(self, record: CellRecord) -> None:
        """Write the finished record."""
        write_bytes(self.path / "cell.json", record.model_dump_json(indent=1).encode())

    def is_intact(self, record: CellRecord) -> bool:
        """Return whether every file that the record names is there with the hash it names."""
        root = self.root
        return all(
            is_inside(self.path / name, root) and file_sha256(self.path / name) == sha
            for name, sha in record.files.items()
        )

    def job(self, name: str) -> JobResult | None:
        """Return what a job left, or None where it has not run; raise ``StoreError`` where damaged."""
        return _read_json(self.path / "jobs" / f"{name}.json", self.root, JobResult.model_validate_json)

    def write_job(self, name: str, result: JobResult) -> None:
        """Write what a job leaves besides tables."""
        write_bytes(self.path / "jobs" / f"{name}.json", result.model_dump_json(indent=1, exclude_unset=True).encode())

    def setting(self) -> Setting | None:
        """Return what was asked of the cell, or None where it stands in no file (an old store); raise where damaged."""
        return _read_json(self.path / SETTING, self.root, Setting.model_validate_json)

    def write_setting(self, setting: Setting) -> None:
        """Write what was asked of the cell."""
        write_bytes(self.path / SETTING, setting_bytes(setting))

    def thresholds_of(self, training: int | None) -> Path:
        """Return the file of what was frozen on the validation split for a training."""
        return self.path / "thresholds" / ("all.json" if training is None else f"s{training}.json")

    def read_thresholds(self, training: int | None) -> dict[str, float] | None:
        """Return what was frozen, or None where nothing is yet; raise ``StoreError`` where damaged."""
        return _read_json(self.thresholds_of(training), self.root, THRESHOLDS.validate_json)

    def artifact_of(self, training: int | None) -> Path:
        """Return the folder of the artifact of a training, of the only one where ``training`` is None."""
        return self.artifact_folder if training is None else self.artifact_folder / f"s{training}"
