"""The thing under test, where it runs, and what a method's preparation leaves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from effbench.api.params import PluginError
from effbench.api.samples import Output, Sample

WORK_VARIABLE = "EFFBENCH_WORK"


def work_folder() -> Path | None:
    """Return the folder in which a preparation, or what computes outputs, may keep checkpoints, so that a killed run goes on.

    It lies in the store, belongs to the cell (and to the training, where there are several) and may not exist yet. None
    outside of a run, and while latency is timed. A checkpoint of an output must be removed once that is returned: an output
    is computed, never remembered. Those of a preparation are removed when its artifact is stored.
    """
    named = os.environ.get(WORK_VARIABLE)
    return Path(named) if named else None


class System:
    """The thing under test, loaded and ready. Each task family has one small subclass; methods declare which they accept.

    Systems are values: a method returns a new one (``dataclasses.replace``) or transforms the modules it holds.
    """

    def modules(self) -> Mapping[str, Any]:
        """Return the torch modules that the system runs, by name; empty for a system without torch."""
        return {}

    def settings(self) -> Mapping[str, Any]:
        """Return what a plan may depend on, as plain values: model, revision, steps, resolution, order of guidance."""
        return {}


def _no_run(system: System, samples: Sequence[Sample], seed: int) -> Sequence[Output]:
    raise PluginError("this context cannot run systems; it was made without a task")


def _silent(done: float, total: float, text: str = "") -> None:
    return None


@dataclass(frozen=True)
class Context:
    """Where and how a job runs. ``device`` and ``dtype`` are resolved (never "auto"); ``threads`` is already applied.

    ``calibration()`` are the samples that a preparation may look at, with their targets. ``run(system, samples, seed)`` is
    the task's own way of running a system on some, so that a calibrating method knows nothing of pipelines.
    ``progress(done, total, text)`` says that a preparation moves; while it says so, ``timeout_s`` does not end it.
    ``seed`` is the suite's seed where the preparation is random, else 0.
    """

    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    seed: int = 0
    calibration: Callable[[], Sequence[Sample]] = lambda: ()
    run: Callable[[Any, Sequence[Sample], int], Sequence[Output]] = _no_run
    progress: Callable[[float, float, str], None] = _silent


@dataclass(frozen=True)
class Artifact:
    """What a method's preparation leaves: named arrays and a JSON-like plan; every job of a cell uses the same one.

    A tensor is a numpy array, or a torch tensor where numpy has no such type (bfloat16, float8): it comes back as it was
    given. Packed codes (int4) are bytes, whose meaning stands in the plan.
    """

    tensors: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
