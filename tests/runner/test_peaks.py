"""Peaks for a run: known ones are used, new ones are kept, those of a busy machine are not."""

from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import pytest

from effbench.measure import roofline
from effbench.readings import NoiseReading
from effbench.runner import peaks
from effbench.runner.jobs import Done, Failed

MEASURED = roofline.Calibration(2, version("torch"), {"float32": 100.0, "bfloat16": 50.0, "int8": 200.0}, 20.0)
TORCH_TASK: Any = SimpleNamespace(task=SimpleNamespace(preload=("torch",)), device="cpu", cells=(None,))
PLAIN_TASK: Any = SimpleNamespace(task=SimpleNamespace(preload=()), device="cpu", cells=(None,))


@dataclass
class Fakes:
    """What stands in for the worker, the machine's noise and the user's cache."""

    message: Any = field(default_factory=lambda: Done(asdict(MEASURED)))
    foreign: float | None = 0.0
    measured: int = 0


@pytest.fixture
def fakes(monkeypatch, tmp_path):
    found = Fakes()

    def measure(jobs, task):
        found.measured += 1
        return found.message

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(peaks, "_measure", measure)
    monkeypatch.setattr(peaks.NoiseMeter, "stop", lambda self, own: NoiseReading(found.foreign, 0.0, 0.0, 0.0, False))
    return found


JOBS: Any = SimpleNamespace(launcher=SimpleNamespace(machine="feed"), resources=SimpleNamespace(threads=2))


def test_measured_once_then_known(fakes):
    first = peaks.peaks_for(JOBS, [PLAIN_TASK, TORCH_TASK])
    assert first.gemm_gflops == MEASURED.gemm_gflops
    assert peaks.peaks_for(JOBS, [TORCH_TASK]).gemm_gflops == MEASURED.gemm_gflops
    assert fakes.measured == 1


def test_nothing_to_do_or_no_torch_measures_nothing(fakes):
    assert peaks.peaks_for(JOBS, []) == "unsupported"
    assert peaks.peaks_for(JOBS, [PLAIN_TASK]) == "unsupported"
    assert fakes.measured == 0


@pytest.mark.parametrize(
    ("change", "reason"), [({"foreign": 0.5}, "noisy_machine"), ({"message": Failed("oom", "too large")}, "oom")]
)
def test_a_busy_machine_or_a_failure_keeps_nothing_and_says_why(fakes, change, reason, capsys):
    for name, value in change.items():
        setattr(fakes, name, value)
    assert peaks.peaks_for(JOBS, [TORCH_TASK]) == reason
    assert roofline.load("feed", 2, "cpu") is None
    assert "peaks" in capsys.readouterr().err
