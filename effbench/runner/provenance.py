"""Where numbers come from: versions, commit, machine, command."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import effbench
from effbench.readings import Calibration
from effbench.record import Provenance, Reason
from effbench.runner.cells import Cell

PACKAGES = ("torch", "diffusers", "transformers", "torchmetrics", "numpy", "scipy", "numba", "pyarrow", "pydantic")


@cache
def git_state() -> tuple[str | None, bool | None]:
    """Return (commit, whether the tree has changes) of a source checkout, or Nones for an installed package."""
    root = Path(effbench.__file__).parent.parent
    if not (root / ".git").exists():
        return None, None
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=10)
        status = subprocess.run(["git", "status", "--porcelain"], cwd=root, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None, None
    if commit.returncode or status.returncode:
        return None, None
    return commit.stdout.strip(), bool(status.stdout.strip())


@cache
def package_versions() -> dict[str, str]:
    """Return the versions of the packages that numbers depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Surroundings:
    """The machine that measures: its fingerprint, threads and cores of a worker, its measured peaks or why there are none."""

    machine: str
    threads: int
    cpus: tuple[int, ...] = ()
    calibration: Calibration | None = None
    no_calibration: Reason = "not_requested"


def provenance(cell: Cell, device: str, surroundings: Surroundings) -> Provenance:
    """Return the provenance of a cell that is finished now."""
    commit, dirty = git_state()
    return Provenance(
        effbench_version=effbench.__version__,
        git_commit=commit,
        git_dirty=dirty,
        code_version=cell.code_version,
        origins=dict(cell.origins),
        packages=package_versions(),
        python=platform.python_version(),
        machine=surroundings.machine,
        device=device,
        threads=surroundings.threads,
        cpus=surroundings.cpus,
        command=_command(),
    )


def _command() -> str:
    """Return the command line as UTF-8 text, whatever the locale has made of its bytes."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return shlex.join(os.fsencode(word).decode("utf-8", "replace") for word in words)
