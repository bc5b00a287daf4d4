"""How to get a row of the board again: which code, which suite, and the one command line.

Everything here comes from a store, which may be a stranger's: what goes into a command line is a name of a known form, or
quoted for the shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

import effbench
from effbench.raw import RawCell
from effbench.record import CellRecord
from effbench.store import read_lock

ORIGIN = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?) ([0-9][A-Za-z0-9.!+_-]*)(?: \((.*)\))?")
"""Where a plugin comes from, as ``effbench.registry`` writes it: distribution, version, (module:attribute)."""
REQUIREMENT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
RELEASE = re.compile(r"[0-9][A-Za-z0-9.!_-]*")
"""A version without the local part behind a plus, which no index serves."""
PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""What a suite may be called (``effbench.suite.NAME``); a store that says otherwise is no store of ours."""
OURS: str = effbench.__name__
"""Our own distribution, whose methods need no plugin."""


@dataclass(frozen=True)
class Reproduction:
    """What it takes to get a cell again.

    ``code`` says which EffBench ran it; ``install`` are the command lines for the plugins that it needs, none for our own
    methods; ``libraries`` is the line that installs the versions of the packages that numbers depend on, ``""`` where none
    is known. ``run`` is the command line over ``suite_file``, whose content is ``suite``. ``notes`` say what is missing.
    """

    code: str
    install: tuple[str, ...]
    libraries: str
    suite_file: str
    suite: str
    run: str
    notes: tuple[str, ...]

    @property
    def commands(self) -> str:
        """Return the command lines, one below the other."""
        return "\n".join([*self.install, self.run])


def reproduction_of(raw: RawCell) -> Reproduction:
    """Return how to get a cell again; raise ``StoreError`` where its store does not say what was asked for."""
    cell, lock = raw.record, read_lock(raw.path.parents[1])
    name = cell.suite if PLAIN_NAME.fullmatch(cell.suite) else "suite"
    install, unclear = _plugins(cell)
    return Reproduction(
        code=_code(cell),
        install=install,
        libraries=pip_line(cell.provenance.packages.items()),
        suite_file=f"{name}.yaml",
        suite=yaml.safe_dump(lock, sort_keys=False, allow_unicode=True, width=100),
        run=shlex.join(
            [
                "effbench",
                "run",
                f"{name}.yaml",
                "--only",
                f"{cell.task_id}/{cell.method_id}",
                "--store",
                f"{name}-again",
            ]
        ),
        notes=(*unclear, *_files_beside(lock, cell)),
    )


def pip_line(packages: Iterable[tuple[str, str]]) -> str:
    """Return the line that installs (name, version) of packages; what is no such pair is left out, ``""`` where all is."""
    pins = []
    for name, version in packages:
        public = version.partition("+")[0]
        if REQUIREMENT.fullmatch(name) and RELEASE.fullmatch(public):
            pins.append(f"{name}=={public}")
    return shlex.join(["pip", "install", *pins]) if pins else ""


def _plugins(cell: CellRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the lines that install what is not ours, and a sentence on every origin that no line can be made of."""
    needed: dict[str, str] = {}
    unclear = []
    for what, origin in cell.provenance.origins.items():
        found = ORIGIN.fullmatch(origin)
        if found is None:
            unclear.append(f"Where {what} comes from is said in a form that no command can be made of: {origin}.")
        elif found[1] != OURS:
            needed[found[1]] = found[2]
    lines = (pip_line([pair]) for pair in needed.items())
    return tuple(filter(None, lines)), tuple(unclear)


def _code(cell: CellRecord) -> str:
    """Return which EffBench on which Python made the cell, in a sentence."""
    origin = cell.provenance
    commit = f", commit {origin.git_commit}" if origin.git_commit else ""
    dirty = " with changes that were not committed" if origin.git_dirty else ""
    return f"EffBench {origin.effbench_version}{commit}{dirty}, Python {origin.python}."


def _files_beside(lock: Mapping[str, Any], cell: CellRecord) -> tuple[str, ...]:
    """Return a sentence where the suite names a subset that is a file of whoever ran it."""
    tasks = lock.get("tasks")
    for task in tasks if isinstance(tasks, list) else ():
        if not isinstance(task, Mapping) or (task.get("id") or task.get("use")) != cell.task_id:
            continue
        samples = task.get("samples")
        subset = samples.get("subset") if isinstance(samples, Mapping) else None
        if isinstance(subset, str) and subset.endswith((".yaml", ".yml")):
            return (f"The suite names a subset in a file of its own, {subset}, which no store holds: ask its author.",)
    return ()
