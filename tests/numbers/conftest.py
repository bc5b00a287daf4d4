"""Settings and job results for the tests of the numbers."""

import pytest

from effbench.record import Attempt, Identity, Link
from effbench.setting import Asked, Declared, DeclaredMetric, Place, Setting
from effbench.storeschema import JobData, JobResult


@pytest.fixture
def make_setting():
    """``make_setting(metrics, samples, **changes)``: what a plain cell was asked, with changes where they belong."""

    def make(metrics, samples, **changes):
        parts = {
            "asked": {
                "seeds": (0,), "ci": 0.95, "resamples": 200, "batch_sizes": None,
                "memory": False, "flops": False, "inspect": False, "energy": False,
            },
            "declared": {
                "metrics": tuple(DeclaredMetric.of(metric) for metric in metrics), "kernels": (), "claims": (),
                "random_weights": False, "deterministic": True, "prepares": False, "trainings": (),
            },
            "place": {"device": "cpu", "machine": "m", "threads": 1},
            "": {
                "id": "0" * 16, "suite": "s", "task_id": "t", "method_id": "m", "role": "method", "order": 0,
                "execution": "real", "unsupported": None, "plan_sha256": "", "samples": tuple(samples),
                "pool": len(samples), "weights": None, "subset": None, "certificate": (), "resolutions": {},
                "stopping": None, "reference_cell": None, "scored_against": "",
            },
        }  # fmt: skip
        for name, value in changes.items():
            next(part for part in parts.values() if name in part)[name] = value
        identity = Identity(
            task="t", task_params={}, system_revision="", chain=(Link(use="m"),), device_class="cpu", dtype="float32"
        )
        return Setting(
            identity=identity,
            asked=Asked(**parts["asked"]),
            declared=Declared(**parts["declared"]),
            place=Place(**parts["place"]),
            **parts[""],
        )

    return make


@pytest.fixture
def make_job():
    """``make_job(name, **data)``: a job that is done and left ``data``."""

    def make(name="memory", **data):
        attempt = Attempt(job="any", status="done", started_utc="2026-11-25T00:00:00+00:00", seconds=1.0)
        return JobResult(status="done", code_version="0", attempt=attempt, data=JobData(**data))

    return make
