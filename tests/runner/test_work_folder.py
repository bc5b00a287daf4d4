"""Where a long computation of a cell may keep checkpoints: in the cell's folder, while outputs are computed."""

from __future__ import annotations

import multiprocessing
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from effbench.api import work_folder
from effbench.runner import worker


def ask(spec: Any, connection: Any) -> str:
    return str(work_folder())


@pytest.mark.parametrize("kind", ["prepare", "quality", "memory", "latency"])
def test_only_what_computes_outputs_or_prepares_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setitem(worker.JOBS, kind, ask)
    monkeypatch.setattr(worker, "settled_memory", lambda: ())
    monkeypatch.setattr(worker, "_set_threads", lambda spec: None)
    spec = SimpleNamespace(kind=kind, name=kind, cell_path=tmp_path / "cell", max_memory_bytes=None)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=worker.worker_main, args=(theirs, spec.cell_path, kind, pickle.dumps(spec), os.getpid())
    )
    process.start()
    assert ours.poll(30)
    answer = ours.recv()
    process.join()
    assert answer == (str(tmp_path / "cell" / "work" / kind) if kind in ("prepare", "quality") else "None")


def test_there_is_none_outside_of_a_run() -> None:
    assert work_folder() is None
