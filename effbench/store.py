"""A store: the folder that holds everything a suite has computed, and from which everything can be shown again.

::

    suite.lock.yaml             the suite as resolved
    plan.json                   which cells belong to it now, in order
    machine/<fingerprint>.json  the machines that measured
    cells/<id>/cell.json        the finished record, the only file that reports read
              /jobs/*.json      what each job left besides tables
              /artifact/        what the method's preparation left
              /samples/ timings/ outputs/    content-named parts, merged when the cell completes
              /log.txt          what the workers printed

A store belongs to the name of its suite. One run writes at a time; readers need no lock, since every file is replaced
whole.
"""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import ValidationError

from effbench.api import Artifact
from effbench.atomic import file_sha256, save_tensors, write_bytes, write_content_named
from effbench.errors import StoreError
from effbench.record import CellRecord

LOCK_SCHEMA = "effbench/store/1"
SAMPLE_KEY = ("seed", "sample_id")
TIMING_KEY = ("round", "batch_size", "turn", "iteration", "phase")


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
    """Return one view over a store; raise ``StoreError`` in one sentence where it is missing, foreign or damaged."""
    lock = read_lock(path)
    cells, unfinished = [], []
    with _uncollected():
        for planned in read_plan(path):
            record = read_record(f"{path}/cells/{planned['id']}/cell.json")  # joining Paths takes as long as reading
            if record is None:
                unfinished.append(f"{planned['task']}/{planned['method']}")
            else:
                cells.append(record)
    machines = {file.stem: json.loads(file.read_text()) for file in sorted((path / "machine").glob("*.json"))}
    return StoreView(path, lock["suite"]["name"], lock["suite"], tuple(cells), machines, tuple(unfinished))


@contextmanager
def _uncollected() -> Iterator[None]:
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


def read_record(file: str | Path) -> CellRecord | None:
    """Return the finished record in a ``cell.json``, or None where there is none; raise ``StoreError`` where damaged."""
    try:
        with open(file, "rb") as opened:
            return CellRecord.model_validate_json(opened.read())
    except FileNotFoundError:
        return None
    except (ValidationError, OSError) as error:
        raise StoreError(f"{file}: damaged or of another version: {str(error).splitlines()[0]}") from None


def read_lock(path: Path) -> dict[str, Any]:
    """Return the content of ``suite.lock.yaml``."""
    file = path / "suite.lock.yaml"
    if not file.is_file():
        raise StoreError(f"{path}: not an EffBench store (no suite.lock.yaml)")
    try:
        lock = yaml.safe_load(file.read_text())
    except yaml.YAMLError as error:
        raise StoreError(f"{file}: damaged: {' '.join(str(error).split())}") from None
    if not isinstance(lock, dict) or lock.get("schema") != LOCK_SCHEMA:
        found = lock.get("schema") if isinstance(lock, dict) else None
        raise StoreError(f"{file}: schema {found!r} is not {LOCK_SCHEMA!r}; it was written by another EffBench version")
    return lock


def read_plan(path: Path) -> list[dict[str, str]]:
    """Return the cells of the suite as it is now: ``{"id", "task", "method"}`` each."""
    try:
        return list(json.loads((path / "plan.json").read_bytes()))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path / 'plan.json'}: damaged: {error}") from None


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
            name = read_lock(self.path)["suite"]["name"]
            if name != suite["name"]:
                raise StoreError(f"{self.path}: this store belongs to suite {name!r}, not to {suite['name']!r}")
        elif self.path.is_dir() and any(self.path.iterdir()) and not (self.path / ".lock").exists():
            raise StoreError(f"{self.path}: the folder is not empty and not an EffBench store")
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

    def close(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def cell(self, cell_id: str) -> CellFolder:
        """Return the folder of a cell, which need not exist yet."""
        return CellFolder(self.path / "cells" / cell_id)

    def write_machine(self, fingerprint: str, facts: Mapping[str, Any]) -> None:
        """Write what is known of a machine; what an earlier run knew besides (its measured peaks) stays."""
        file = self.path / "machine" / f"{fingerprint}.json"
        known = json.loads(file.read_bytes()) if file.exists() else {}
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
        self.artifact_folder = path / "artifact"

    def record(self) -> CellRecord | None:
        """Return the finished record, or None where the cell is not finished; raise ``StoreError`` where damaged."""
        return read_record(self.path / "cell.json")

    def write_record(self, record: CellRecord) -> None:
        """Write the finished record."""
        write_bytes(self.path / "cell.json", record.model_dump_json(indent=1).encode())

    def is_intact(self, record: CellRecord) -> bool:
        """Return whether every file that the record names is there with the hash it names."""
        return all(
            (self.path / name).is_file() and file_sha256(self.path / name) == sha for name, sha in record.files.items()
        )

    def job(self, name: str) -> dict[str, Any] | None:
        """Return what a job left, or None where it has not run."""
        file = self.path / "jobs" / f"{name}.json"
        try:
            data = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise StoreError(f"{file}: damaged: {error}") from None
        return dict(data)

    def write_job(self, name: str, data: Mapping[str, Any]) -> None:
        """Write what a job leaves besides tables."""
        write_bytes(self.path / "jobs" / f"{name}.json", json.dumps(data, indent=1).encode())

    def write_artifact(self, artifacts: list[Artifact]) -> str:
        """Write the artifacts of a chain, link by link, and return the hash over all of them."""
        tensors = {
            f"{i}/{name}": np.asarray(value, order="C")
            for i, a in enumerate(artifacts)
            for name, value in a.tensors.items()
        }
        plan = [dict(a.config) for a in artifacts]
        plan_file = write_bytes(self.artifact_folder / "plan.yaml", yaml.safe_dump(plan, sort_keys=True).encode())
        for old in self.artifact_folder.glob("tensors.*.safetensors"):
            old.unlink()
        file = write_content_named(
            self.artifact_folder, "tensors", ".safetensors", lambda path: save_tensors(tensors, path)
        )
        return hashlib.sha256((plan_file + file_sha256(file)).encode()).hexdigest()

    def read_artifact(self) -> tuple[list[Artifact], str]:
        """Return (artifact per link, hash over all of them)."""
        from safetensors.numpy import load_file

        plan_file = self.artifact_folder / "plan.yaml"
        (tensor_file,) = self.artifact_folder.glob("tensors.*.safetensors")
        plan, tensors = yaml.safe_load(plan_file.read_text()), load_file(tensor_file)
        artifacts = []
        for index, config in enumerate(plan):
            prefix = f"{index}/"
            own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            artifacts.append(Artifact(own, config))
        both = file_sha256(plan_file) + file_sha256(tensor_file)
        return artifacts, hashlib.sha256(both.encode()).hexdigest()
