"""The contract between EffBench and a plugin: what the author of a task or of a method imports.

Importing this module is cheap and free of torch, and so must be importing a module that defines a Task or a Method:
heavy imports live inside the methods. ``effbench.testing`` holds the checkers that say whether a plugin keeps the
contract.
"""

from __future__ import annotations

import hashlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, model_validator

if TYPE_CHECKING:
    import numpy as np

API_VERSION = 1

Split = Literal["calibration", "evaluation"]
Execution = Literal["real", "simulated"]
Axis = Literal["quality", "latency", "memory", "compute", "energy", "preparation"]

Output = Mapping[str, "np.ndarray[Any, Any]"]
"""What a system makes of one sample: named numpy arrays, so that any output can be hashed, stored and compared.

Arrays whose name ends in ``_s`` hold seconds: they are kept and scored, but two runs need not agree on them.
"""


class StrictParams(BaseModel):
    """Base of a plugin's parameters (``class Params(StrictParams)`` inside it): frozen, finite, unknown keys refused.

    A number is neither ``true`` nor text with leading zeros, which one reader of YAML takes as octal and another not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _numbers_are_meant(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        from effbench.disguised import refuse_disguised_numbers

        params = handler(given)
        refuse_disguised_numbers(given, params)
        return params


class PluginError(Exception):
    """Bad input that a plugin can explain in one sentence (a missing file, an unusable value); shown without traceback."""


WORK_VARIABLE = "EFFBENCH_WORK"


def work_folder() -> Path | None:
    """Return the folder in which what computes the cell's outputs may keep checkpoints, so that a killed run goes on.

    It lies in the store, belongs to the cell and may not exist yet. None outside of a run, and while latency is timed. A
    checkpoint must be removed once its output is returned: an output is computed, never remembered.
    """
    named = os.environ.get(WORK_VARIABLE)
    return Path(named) if named else None


class Unsupported(PluginError):
    """The method cannot work on this system or device (no kernel, no such layer); the cell says ``unsupported``."""


@dataclass(frozen=True)
class Metric:
    """One number that a task reports about quality.

    ``per="sample"`` metrics are the weighted mean of a per-sample scalar of the same name; ``per="set"`` metrics
    (a distance between distributions, a rank correlation) only exist for a whole set of samples. ``undefined`` says why a
    system that ran may have no such number (its score is NaN then): ``not_reached`` a goal, or ``unsupported``. A score that
    is NaN without it is an error of the cell. The unit is plain text of at most 24 characters. ``bounds`` are the least and
    the greatest value that it can have; no interval leaves them. A share lies within (0, 1) without saying so.
    """

    name: str
    unit: str
    higher_is_better: bool
    per: Literal["sample", "set"] = "sample"
    primary: bool = False
    needs_reference: bool = False
    description: str = ""
    undefined: Literal["", "not_reached", "unsupported"] = ""
    bounds: tuple[float, float] | None = None

    @property
    def range(self) -> tuple[float, float]:
        """Return the least and the greatest value that the metric can have, infinite where nothing bounds it."""
        return self.bounds or ((0.0, 1.0) if self.unit == "share" else (-math.inf, math.inf))


@dataclass(frozen=True)
class Sample:
    """One unit of evaluation (a prompt, a frame, an architecture, a molecule) under an id that never changes meaning."""

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """Scores of n outputs: ``scalars[name]`` is float64 [n] (NaN where undefined), ``arrays[name]`` a list of n arrays.

    Arrays (features, boxes, series) may differ in shape from sample to sample; they feed the metrics of a whole set.
    """

    scalars: Mapping[str, np.ndarray[Any, Any]]
    arrays: Mapping[str, Sequence[np.ndarray[Any, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """A number that a method's paper published, with the setting it holds in and where it stands.

    ``number`` names our own number that measures the same thing (``speedup``, ``parameter_mb``); ``as_ratio`` says that
    the claim is that number divided by the reference's. ``holds_for`` are the facts of a cell under which the two are
    comparable: ``task``, ``device_class``, ``dtype``, a parameter of the task (``system``) or of the method itself; a
    cell that differs in one of them is shown as not comparable, naming it. ``not_comparable`` says why no cell can be.
    """

    metric: str
    value: float
    unit: str
    setting: str
    source: str
    number: str = ""
    as_ratio: bool = False
    holds_for: Mapping[str, Any] = field(default_factory=dict)
    not_comparable: str = ""


@dataclass(frozen=True)
class Context:
    """Where and how a job runs. ``device`` and ``dtype`` are resolved (never "auto"); ``threads`` is already applied."""

    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1
    seed: int = 0
    calibration: Callable[[], Sequence[Sample]] = lambda: ()


class System:
    """The thing under test, loaded and ready. Each task family has one small subclass; methods declare which they accept.

    Systems are values: a method returns a new one (``dataclasses.replace``) or transforms the modules it holds.
    """

    def modules(self) -> Mapping[str, Any]:
        """Return the torch modules that the system runs, by name; empty for a system without torch."""
        return {}


@dataclass(frozen=True)
class Artifact:
    """What a method's preparation leaves: named arrays and a JSON-like plan; every job of a cell uses the same one."""

    tensors: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


class Task(ABC):
    """A workload: which system is run, on which samples, and how its output is judged."""

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    metrics: tuple[Metric, ...]
    """All that the task can report; an instance may leave out what its parameters rule out."""
    system_type: ClassVar[type[System]]
    preload: ClassVar[tuple[str, ...]] = ()
    """Modules that every worker of this task imports; a fork server imports them once."""
    random_weights: ClassVar[bool] = False
    """Whether the system has the real shape and no training, so that its outputs have no quality (``random_weights``)."""
    gpu_dtype: ClassVar[str] = "float16"
    """What ``dtype: auto`` means on a GPU (the precision of the paper's own reference); on a CPU it is float32."""

    small: ClassVar[Mapping[str, Any]] = {}
    """Parameters that make the system as small as it comes: what a method is tried on in seconds (``effbench new``)."""

    Params: ClassVar[type[StrictParams]] = StrictParams

    def __init__(self, params: StrictParams | None = None) -> None:
        self.params: Any = type(self).Params() if params is None else params

    def check(self) -> None:  # noqa: B027 - a task without further checks is fine
        """Raise ``PluginError`` where the parameters cannot be run (a missing file, a size); cheap and free of torch."""

    def revision(self) -> str:
        """Return what pins the system besides the parameters (a weights hash, a commit); part of a cell's identity."""
        return ""

    @abstractmethod
    def load(self, ctx: Context) -> System:
        """Return the uncompressed system on ``ctx.device`` with ``ctx.dtype``."""

    @abstractmethod
    def samples(self, split: Split, subset: str | None = None) -> Sequence[Sample]:
        """Return the samples of a split in their fixed order; the two splits share no id; free of torch."""

    def caption(self, sample: Sample) -> str:
        """Return what a reader is told about a sample beside its output: its prompt where it has one, else its id."""
        return str(sample.data.get("prompt", sample.id))

    @abstractmethod
    def run(self, system: Any, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return one output per sample; the noise of a sample depends on (sample id, seed) only, never on its batch."""

    def probe(self, system: Any, batch_size: int) -> Callable[[], Any]:
        """Return what latency times: a call without arguments. Default: ``run`` on fixed calibration samples."""
        pool = self.samples("calibration")
        if not pool:
            raise PluginError(
                "samples('calibration') gives none, on which the default probe runs; give one, or write probe"
            )
        batch = [pool[i % len(pool)] for i in range(batch_size)]
        return lambda: self.run(system, batch, seed=0)

    @abstractmethod
    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the scores of a batch; ``reference`` holds the reference method's outputs on the same noise, if any."""

    @abstractmethod
    def summarise(self, scores: Scores, weights: np.ndarray[Any, Any]) -> dict[str, float]:
        """Return metric name -> value for weighted samples (weights [n], not normalised); numpy only, no torch.

        Called again on every bootstrap resample. A metric that cannot be computed is left out.
        """

    def remarks(self, scores: Scores) -> dict[str, list[str]]:
        """Return metric name -> what a reader has to know beside its value, or why there is none; numpy only.

        A remark is one sentence, worded alike wherever it holds: it stands once under a table, as a footnote of the numbers.
        """
        return {}


class Method(ABC):
    """A submission: takes a system, returns a cheaper (or otherwise changed) one."""

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    accepts: ClassVar[tuple[type[System], ...]]
    claims: ClassVar[tuple[Claim, ...]] = ()
    kernels: ClassVar[tuple[str, ...]] = ()
    """Globs over operator and kernel names that a real execution of this method must be seen to run."""

    Params: ClassVar[type[StrictParams]] = StrictParams

    def __init__(self, params: StrictParams | None = None) -> None:
        self.params: Any = type(self).Params() if params is None else params

    def execution(self) -> Execution:
        """Return "simulated" where the method only imitates its effect; its latency and memory are then null."""
        return "real"

    def prepare(self, system: Any, ctx: Context) -> Artifact:
        """Calibrate, search or fine-tune; runs once per cell, is timed, and its result is stored. Default: nothing."""
        return Artifact()

    @abstractmethod
    def apply(self, system: Any, artifact: Artifact) -> System:
        """Return the changed system; cheap and deterministic, since it runs in every process of the cell."""


def reproducible(output: Output) -> Output:
    """Return an output without its times, on which no two runs agree."""
    return {name: array for name, array in output.items() if not name.endswith("_s")}


def noise_seed(sample_id: str, seed: int) -> int:
    """Return the 63-bit seed of a sample's own random generator: a hash of (sample id, seed) and of nothing else."""
    digest = hashlib.sha256(f"{seed}:{sample_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def source_folder(plugin: type) -> Path:
    """Return the folder of the file that defines a plugin class, where its data files stand too."""
    import inspect

    return Path(inspect.getfile(plugin)).parent
