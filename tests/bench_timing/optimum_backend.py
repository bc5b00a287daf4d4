"""How optimum-benchmark comes to time our callable: a backend whose forward pass is a call. Imported in its venv only.

Launcher, scenario, tracker and report are its own; only what it would download a model for is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from logging import getLogger
from typing import Any

from optimum_benchmark import Benchmark, BenchmarkConfig, BenchmarkReport, InferenceConfig, ProcessConfig
from optimum_benchmark.backends.base import Backend

from bench_timing.callables import Job, make
from bench_timing.processes import bind

TASK = "image-classification"
SHAPES = {"num_channels": 1, "height": 1, "width": 1}


@dataclass
class CallableConfig:
    """The fields of a backend's configuration that the inference scenario reads."""

    job: Job
    name: str = "pytorch"
    device: str = "cpu"
    device_ids: str | None = None
    task: str = TASK
    model_type: str | None = None
    _target_: str = "bench_timing.optimum_backend.CallableBackend"


class CallableBackend(Backend):
    """Calls a workload where another backend would run a model."""

    NAME = "callable"

    def __init__(self, config: CallableConfig) -> None:
        self.config = config
        self.logger = getLogger(self.NAME)
        self.model_shapes = SHAPES

    def load(self) -> None:
        """Make the workload, with the cores and threads that every harness of the comparison gets."""
        bind(self.config.job.threads)
        self.call = make(self.config.job.workload)

    def forward(self, inputs: dict[str, Any], kwargs: dict[str, Any]) -> Any:
        """Call the workload; the inputs that optimum-benchmark made up are not used."""
        return self.call()


def configuration(job: Job) -> BenchmarkConfig:
    """Return the inference benchmark of a workload: default warm-up and least iterations, ``job.seconds`` long."""
    return BenchmarkConfig(
        name="bench-timing",
        backend=CallableConfig(job),
        scenario=InferenceConfig(duration=job.seconds),
        launcher=ProcessConfig(start_method="fork"),
        environment={},
        log_report=False,
    )


def times_ms(report: BenchmarkReport) -> list[float]:
    """Return the raw times of a report's forward passes."""
    return [s * 1e3 for s in report.forward.latency.values]


def run_in_this_process(job: Job) -> tuple[list[float], Any]:
    """Return the times that its scenario measured here, without its launcher, and the callable."""
    config = configuration(job)
    backend = CallableBackend(config.backend)
    from optimum_benchmark.scenarios.inference.scenario import InferenceScenario

    return times_ms(InferenceScenario(config.scenario).run(backend)), backend.call


def launch(job: Job) -> list[float]:
    """Return the times that its process launcher brings back; this parent busy-waits meanwhile."""
    return times_ms(Benchmark.launch(configuration(job)))
