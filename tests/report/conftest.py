from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from effbench.record import Attempt, CellRecord, Identity, Link, Number, Provenance
from effbench.report.summarise import Summary, summarise
from effbench.store import StoreView

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


def cell(method: str, numbers: list[Number] | None = None, order: int = 0, **rest: Any) -> CellRecord:
    """A finished cell of task ``t2i`` unless told otherwise."""
    task, machine, device = rest.pop("task", "t2i"), rest.pop("machine", "feedc0ffee12"), rest.pop("device", "cpu")
    params, dtype = rest.pop("params", {"steps": 20}), rest.pop("dtype", "float32")
    given: dict[str, Any] = {
        "id": f"{task}-{method}-{machine}",
        "status": "complete",
        "suite": "quick",
        "role": "reference" if order == 0 else "method",
        "execution": "real",
        "seeds": (0, 1),
        "n_samples": 64,
        "subset": None,
        "reference_cell": None,
        "files": {"samples/0.parquet": "ab" * 32},
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


@pytest.fixture
def make() -> Any:
    """The factories of this module, for tests that cannot import a conftest by name."""
    import types

    return types.SimpleNamespace(
        number=number, full_numbers=full_numbers, cell=cell, failed=failed, view=view, typical_cells=typical_cells
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
