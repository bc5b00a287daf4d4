"""A record factory for the tests of the runner."""

import sys
from pathlib import Path

import pytest

from effbench.record import CellRecord, Identity, Link, Provenance

sys.path.insert(0, str(Path(__file__).parent))

from strangers import Strangers


@pytest.fixture
def make_cell():
    """``make_cell(method, numbers, **fields)`` returns a finished cell of task "task" whose reference is "reference"."""

    def make(method, numbers, **fields):
        identity = Identity(
            task="task",
            task_params={},
            system_revision="",
            chain=(Link(use=method),),
            device_class="cpu",
            dtype="float32",
        )
        provenance = Provenance(
            effbench_version="0",
            git_commit=None,
            git_dirty=None,
            code_version="0",
            origins={},
            packages={},
            python="3",
            machine="m",
            device="cpu",
            command="",
        )
        given = {
            "id": f"id-{method}",
            "status": "complete",
            "suite": "s",
            "task_id": "task",
            "method_id": method,
            "role": "method",
            "order": 0,
            "execution": "real",
            "identity": identity,
            "plan_sha256": "",
            "seeds": (0,),
            "n_samples": 8,
            "subset": None,
            "numbers": tuple(numbers),
            "reference_cell": "id-reference",
            "files": {},
            "artifact_sha256": None,
            "probe_sha256": {},
            "attempts": (),
            "provenance": provenance,
            "finished_utc": "2026-11-25T00:00:00+00:00",
        }
        return CellRecord(**{**given, **fields})

    return make


@pytest.fixture
def strangers(tmp_path, monkeypatch, capfd):
    """Plugins written on the spot and the command line, in this process: see ``strangers.Strangers``."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Strangers(tmp_path, monkeypatch, capfd)
