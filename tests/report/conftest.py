from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from effbench.api import Scores
from effbench.atomic import file_sha256
from effbench.parts import GROUP, SLICE, score_columns, write_outputs, write_part
from effbench.record import Attempt, CellRecord, Identity, Link, Number, Provenance
from effbench.replicates import Replicates, cluster_hash, write_replicates
from effbench.report.summarise import Summary, summarise
from effbench.stats.resampled import Resampled
from effbench.store import CellFolder, StoreView, read_store

MACHINE = {"cpu_model": "AMD EPYC 7B13", "cores": 2, "memory_gb": 8.3, "os": "Linux x86_64", "gpu": []}


def number(name: str, value: float | None, low: float | None = None, high: float | None = None, **rest: Any) -> Number:
    """A number whose axis, unit and direction follow from its name unless they are given."""
    axis, unit, higher = {
        "clip_score": ("quality", "", True),
        "lpips_to_reference": ("quality", "", False),
        "latency_p50_ms": ("latency", "ms", False),
        "latency_p90_ms": ("latency", "ms", False),
        "speedup": ("latency", "x", True),
        "peak_rss_growth_mb": ("memory", "MB", False),
        "parameter_mb": ("memory", "MB", False),
        "gflop_per_sample": ("compute", "GFLOP", False),
        "energy_j_per_sample": ("energy", "J", False),
        "preparation_s": ("preparation", "s", False),
    }.get(name.partition("@")[0], ("quality", "", True))
    primary = name in {
        "clip_score",
        "latency_p50_ms",
        "peak_rss_growth_mb",
        "gflop_per_sample",
        "energy_j_per_sample",
        "preparation_s",
    }
    given = {"axis": axis, "unit": unit, "higher_is_better": higher, "primary": primary, "n": 64}
    reason = "simulated" if value is None else None
    given |= {"reason": reason, "ci_low": low, "ci_high": high} | rest
    return Number(name=name, value=value, **given)


def full_numbers(quality: float = 0.3012, latency: float | None = 812.4, speedup: float | None = 1.0) -> list[Number]:
    """What the runner records for one cell; ``latency=None`` makes it a simulated one."""
    half = 0.02 * (latency or 0)
    return [
        number("clip_score", quality, quality - 0.0123, quality + 0.0118, ci_method="bootstrap_percentile"),
        number("lpips_to_reference", 0.1204, 0.0981, 0.1433, ci_method="bootstrap_percentile"),
        number(
            "latency_p50_ms",
            latency,
            *((latency - half, latency + half) if latency else (None, None)),
            ci_method="order_statistic" if latency else "",
        ),
        number("latency_p90_ms", None, reason="too_few_samples"),
        number("speedup", speedup, *((speedup * 0.97, speedup * 1.04) if speedup else (None, None))),
        number("peak_rss_growth_mb", 412.3 if latency else None),
        number("parameter_mb", 10.52 if latency else None),
        number("gflop_per_sample", 3.2178),
        number("energy_j_per_sample", None, reason="no_device"),
        number("preparation_s", 0.0),
    ]


def cell_id(task: str, method: str, machine: str = "feedc0ffee12") -> str:
    """An id as a plan makes them, of a cell of ``cell``."""
    return hashlib.sha256(f"{task}-{method}-{machine}".encode()).hexdigest()[:16]


def cell(method: str, numbers: list[Number] | None = None, order: int = 0, **rest: Any) -> CellRecord:
    """A finished cell of task ``t2i`` unless told otherwise."""
    task, machine, device = rest.pop("task", "t2i"), rest.pop("machine", "feedc0ffee12"), rest.pop("device", "cpu")
    params, dtype = rest.pop("params", {"steps": 20}), rest.pop("dtype", "float32")
    given: dict[str, Any] = {
        "id": cell_id(task, method, machine),
        "status": "complete",
        "suite": "quick",
        "role": "reference" if order == 0 else "method",
        "execution": "real",
        "seeds": (0, 1),
        "n_samples": 64,
        "subset": None,
        "reference_cell": None,
        "files": {"jobs/quality.json": "ab" * 32},
        "artifact_sha256": "cd" * 32,
        "plan_sha256": "ba" * 32,
        "probe_sha256": {"1": "ef" * 32},
        "attempts": (Attempt(job="quality", status="done", started_utc="2026-11-22T10:00:00Z", seconds=12.5),),
        "finished_utc": "2026-11-22T10:05:00Z",
    }
    return CellRecord(
        task_id=task,
        method_id=method,
        order=order,
        numbers=tuple(full_numbers() if numbers is None else numbers),
        identity=Identity(
            task=task,
            task_params=params,
            system_revision="rev1",
            chain=(Link(use=method, passed={"bits": 8}, defaulted={"group": 64}),),
            device_class=device.partition(":")[0],
            dtype=dtype,
        ),
        provenance=Provenance(
            effbench_version="0.1.0",
            git_commit="0123456789abcdef",
            git_dirty=False,
            code_version="c1",
            origins={"task": "effbench 0.1.0"},
            packages={"torch": "2.13.0"},
            python="3.11.7",
            machine=machine,
            device=device,
            command="effbench run quick.yaml",
        ),
        **(given | rest),
    )


def failed(
    method: str, order: int = 3, reason: str = "oom", message: str = "killed at 7.1 GB", **rest: Any
) -> CellRecord:
    """A cell whose latency job failed before it left any number."""
    attempt = Attempt(
        job="latency", status="failed", reason=reason, message=message, started_utc="2026-11-22T10:00:00Z", seconds=3.0
    )
    return cell(method, [], order, status="failed", attempts=(attempt,), n_samples=0, **rest)


def view(*cells: CellRecord, suite: str = "quick", ci: float = 0.95, path: Path = Path("results/quick")) -> StoreView:
    """A view over these cells."""
    machines = {c.provenance.machine: MACHINE for c in cells}
    return StoreView(path, suite, {"name": suite, "stats": {"ci": ci}}, cells, machines)


def typical_cells() -> tuple[CellRecord, ...]:
    """Reference, a faster method, a simulated one and a failed one."""
    return (
        cell("reference"),
        cell("fewer-steps", full_numbers(0.2874, 403.1, 2.02), 1),
        cell("int8-simulated", full_numbers(0.2991, None, None), 2, execution="simulated"),
        failed("w4a4"),
    )


class Raw(NamedTuple):
    """A cell with its raw material: scores and resamples by metric, round -> calls in ms, and the ids of its samples.

    ``arrays`` (name -> one array per row) go with scores, and so do ``groups`` (sample -> group) and ``slices`` (attribute ->
    sample -> value). ``items`` are round -> item of each call. ``previews`` are sample -> name -> pixels.
    """

    cell: CellRecord
    scores: Mapping[str, Sequence[float]] = {}
    draws: Mapping[str, Sequence[float] | Resampled] = {}
    rounds: Mapping[str, Sequence[float]] = {}
    batch_size: int = 1
    samples: Sequence[str] | None = None
    arrays: Mapping[str, Sequence[Any]] = {}
    groups: Mapping[str, str] = {}
    slices: Mapping[str, Mapping[str, str]] = {}
    items: Mapping[str, Sequence[int]] = {}
    previews: Mapping[str, Mapping[str, Any]] = {}


def raw_store(path: Path, *members: Raw, batch_sizes: Sequence[int] = (1,), ci: float = 0.95) -> StoreView:
    """Write a store with samples, resamples, timings and previews, and read it; the first reference is everybody's."""
    reference = next((m.cell.id for m in members if m.cell.role == "reference"), None)
    for member in members:
        folder = CellFolder(path / "cells" / member.cell.id)
        ids = _sample_ids(member)
        _write_samples(folder, member, ids, member.cell.seeds)
        if member.draws:
            found = {
                name: rows
                if isinstance(rows, Resampled)
                else Resampled(0.0, np.asarray(rows, np.float64), np.zeros(0), np.zeros((0, 0)))
                for name, rows in member.draws.items()
            }
            groups = [member.groups.get(sample, sample) for sample in ids]
            write_replicates(folder, Replicates.of(found, cluster_hash(ids, member.cell.seeds, groups)))
        _write_timings(folder, member)
        if member.previews:
            write_outputs(folder.previews, "s0-k", list(member.previews), 0, list(member.previews.values()))
        tables = sorted(
            file for parts in ("samples", "timings", "draws") for file in (folder.path / parts).glob("*.parquet")
        )
        files = {file.relative_to(folder.path).as_posix(): file_sha256(file) for file in tables}
        folder.write_record(member.cell.model_copy(update={"reference_cell": reference, "files": files}))
    plan = [{"id": m.cell.id, "task": m.cell.task_id, "method": m.cell.method_id} for m in members]
    (path / "plan.json").write_text(json.dumps(plan))
    suite = {"name": "quick", "stats": {"ci": ci}, "measure": {"latency": {"batch_sizes": list(batch_sizes)}}}
    (path / "suite.lock.yaml").write_text(yaml.safe_dump({"schema": "effbench/store/1", "suite": suite}))
    (path / "machine").mkdir(exist_ok=True)
    for name in {m.cell.provenance.machine for m in members}:
        (path / "machine" / f"{name}.json").write_text(json.dumps(MACHINE))
    return read_store(path)


def _sample_ids(member: Raw) -> list[str]:
    longest = max((len(scores) for scores in member.scores.values()), default=member.cell.n_samples)
    count = longest // len(member.cell.seeds) if member.scores else longest
    return list(member.samples) if member.samples is not None else [f"s{i:03d}" for i in range(count)]


def _write_samples(folder: CellFolder, member: Raw, ids: Sequence[str], seeds: Sequence[int]) -> None:
    if member.scores:
        rows = [(seed, sample) for seed in seeds for sample in ids]
        scalars = {name: np.asarray(v, np.float64) for name, v in member.scores.items()}
        columns = score_columns(Scores(scalars, {k: [np.asarray(a) for a in v] for k, v in member.arrays.items()}))
        columns |= {"seed": [seed for seed, _ in rows], "sample_id": [sample for _, sample in rows]}
        if member.groups:
            columns[GROUP] = [member.groups.get(sample, sample) for _, sample in rows]
        for attribute, values in member.slices.items():
            columns[SLICE + attribute] = [values.get(sample, "") for _, sample in rows]
        write_part(folder.samples, "merged", columns, {})


def _write_timings(folder: CellFolder, member: Raw) -> None:
    for name, calls in member.rounds.items():
        count = len(calls)
        columns = {
            "round": [name] * count,
            "batch_size": [member.batch_size] * count,
            "turn": [1] * count,
            "iteration": list(range(count)),
            "phase": ["steady"] * count,
            "wall_ns": [int(ms * 1e6) for ms in calls],
            "load_s": [0.1] * count,
            "flags": [""] * count,
            "machine": [member.cell.provenance.machine] * count,
        }
        if member.items:
            columns["item"] = list(member.items[name])
        write_part(folder.timings, f"{name}-b{member.batch_size}", columns, {})


@pytest.fixture
def make() -> Any:
    """The factories of this module, for tests that cannot import a conftest by name."""
    import types

    return types.SimpleNamespace(
        number=number,
        full_numbers=full_numbers,
        cell=cell,
        cell_id=cell_id,
        failed=failed,
        view=view,
        typical_cells=typical_cells,
        Raw=Raw,
        raw_store=raw_store,
    )


@pytest.fixture
def typical() -> Summary:
    return summarise(view(*typical_cells()))


@pytest.fixture
def fake_store(monkeypatch: pytest.MonkeyPatch) -> Callable[[StoreView], None]:
    """Make ``effbench.store.read_store`` return a given view."""

    def install(given: StoreView) -> None:
        monkeypatch.setattr("effbench.store.read_store", lambda path: given)

    return install
