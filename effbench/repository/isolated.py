"""The levels that run no code, in a process of their own that may take neither all memory nor all time.

A small file can unpack to more than any memory holds, and a library that reads it can crash: that ends the process of one
submission, and the check of the others goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from effbench.submission.checking import Finding, LevelOutcome

MOST_S = 300
"""Seconds that the check of one submission may take: some hundred times what one of a board's size takes."""
MOST_MEMORY = 8 << 30
"""Address space of its process (8 GiB): libraries reserve more than they use, and a runner of a public host has twice it."""
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS")}
"""Every thread of a library reserves room of its own."""


def checked_apart(submission: Path, *, seconds: float = MOST_S, memory: int = MOST_MEMORY) -> list[LevelOutcome]:
    """Return what the levels schema and recompute find, in a process that ends where it takes too much."""
    # -P: the working folder is a stranger's, and is not to be imported from.
    python = [sys.executable, "-P", "-m", "effbench"]
    command = [*python, "verify", str(submission.absolute()), "--level", "recompute", "--json"]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=seconds, check=False, preexec_fn=_limit(memory),
            env={**os.environ, **ONE_THREAD, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return [_ended(f"takes more than {seconds:g} s to check")]
    if done.returncode not in (0, 1):
        return [_ended(f"ended its check with code {done.returncode}, as what takes more than {memory >> 30} GiB does")]
    try:
        return [_outcome(level) for level in json.loads(done.stdout)]
    except (ValueError, KeyError, TypeError):
        return [_ended("ended its check without an answer")]


def _outcome(level: dict[str, Any]) -> LevelOutcome:
    findings = tuple(Finding(**finding) for finding in level["findings"])
    return LevelOutcome(level["level"], findings, level["compared"], level["difference"] or 0.0, level["missing"])


def _ended(what: str) -> LevelOutcome:
    return LevelOutcome("schema", (Finding("", what),), 0)


def _limit(memory: int) -> Callable[[], None] | None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return None
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
