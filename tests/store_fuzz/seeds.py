"""The stores that mutants are made of: the frozen one of schema 1, and one with every kind of file that a run leaves."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np

from effbench.api import Artifact
from effbench.artifacts import Prepared, write_artifact
from effbench.parts import write_outputs
from effbench.store import CellFolder
from effbench.storeschema import JobResult

FROZEN = Path(__file__).parent.parent / "assets" / "store-v1"
FACTORY = Path(__file__).parent.parent / "report" / "conftest.py"
STEPS = np.arange(1.0, 41)
CLAIM = {
    "metric": "speed-up",
    "value": 2.0,
    "unit": "x",
    "setting": "batch 1",
    "source": "Table 2",
    "number": "speedup",
}


def factory() -> ModuleType:
    """Return the record factories of the report tests; a conftest cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("record_factory", FACTORY)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_seeds(folder: Path, mark: str = "") -> list[Path]:
    """Write both stores into a folder; ``mark`` stands in every method's name of the second."""
    return [Path(shutil.copytree(FROZEN, folder / "frozen")), full_store(folder / "full", mark)]


def full_store(path: Path, mark: str = "") -> Path:
    """Write a store of three methods with samples, draws, curves, rounds, outputs, jobs, an artifact and claims."""
    make = factory()
    members = []
    for order, name in enumerate(("reference", "fewer", "int8")):
        numbers = make.full_numbers(0.3 - 0.01 * order, 400.0 + 90 * order, 1.0 + order)
        claims = (CLAIM, CLAIM | {"number": "clip_score", "as_ratio": True, "holds_for": {"steps": 20}})
        cell = make.cell(name + mark, numbers, order, seeds=(0,), n_samples=6, claims=claims if order else ())
        scores = {"clip_score": 0.3 + 0.01 * order + 0.001 * np.arange(6.0) ** (1 + order)}
        rounds = {f"r00{r}": [400.0 + 90 * order + r, 401.0 + r] for r in range(1, 5)}
        arrays = {"curve_s": [STEPS] * 6, "curve_clip_score": [9 / (STEPS + order)] * 6, "goal_clip_score": [[0.4]] * 6}
        draws = {"clip_score": 0.3 + 0.01 * np.sin(np.arange(50.0) * (1 + order))}
        members.append(make.Raw(cell, scores, draws, rounds, arrays=arrays))
    members.append(make.Raw(make.failed(f"w4a4{mark}")))
    view = make.raw_store(path, *members)
    for cell in view.cells[:2]:
        folder = CellFolder(path / "cells" / cell.id)
        pictures = [{"image": np.full((3, 8, 8), 0.2 * i, np.float32), "latent": np.zeros(2)} for i in range(3)]
        write_outputs(folder.outputs, "s0-k", ["s000", "s001", "s002"], 0, pictures, [f"a dog{mark}"] * 3)
        previews = [{f"seen{mark}": np.full((8, 8, 3), 50 * i, np.uint8)} for i in range(3)]
        write_outputs(folder.previews, "s0-k", ["s000", "s001", "s002"], 0, previews, [f"a dog{mark}"] * 3)
        write_artifact(folder.artifact_of(None), [Prepared(Artifact({"scale": np.ones(3)}, {"bits": 8}))])
        for name in ("prepare", "quality", "memory", "latency"):
            folder.write_job(name, job(name))
    return path


def job(name: str) -> JobResult:
    """Return what a job of that name leaves."""
    attempt = {"job": name, "status": "done", "started_utc": "2026-11-22T10:00:00Z", "seconds": 1.5}
    data = {
        "prepare": {"seconds": 1.0, "artifact_sha256": "ab" * 32},
        "quality": {"probe_sha256": "ef" * 32, "model_s": 1.0, "score_s": 0.1, "loop_s": 1.2, "load_s": 0.1},
        "memory": {"peak_rss": 9_000_000, "peak_rss_growth": 1_000_000, "hwm_reset": True, "parameter_bytes": None},
        "latency": {"load_s": 0.1, "flags": ["unsettled"], "probe_sha256": "ef" * 32},
    }[name]
    return JobResult.model_validate(
        {"status": "done", "code_version": "c1", "machine": "m", "attempt": attempt, "data": data}
    )
