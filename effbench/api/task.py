"""The contract of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from effbench.api.metrics import Metric
from effbench.api.params import PluginError, StrictParams
from effbench.api.samples import Output, Sample, Scores, Split, Summariser, weighted_means
from effbench.api.system import Context, System
from effbench.api.version import API_VERSION

if TYPE_CHECKING:
    import numpy as np

PROBED_ITEMS = 4
"""Samples that the default probes call, in turn: enough to see a cost that depends on the sample, few enough that a slow
system calls each in every round."""


class Picture(NamedTuple):
    """What the board shows of a sample: ``pixels`` uint8 [height, width, 3], or [frames, height, width, 3] of a video."""

    name: str
    pixels: np.ndarray[Any, Any]


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
    deterministic: ClassVar[bool] = True
    """Whether the same call gives the same bytes in every process; where it should and does not, what was timed is not what
    was scored, and latency and memory are withheld."""
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
        """Return the samples of a split in their fixed order; splits share neither id nor group; free of torch.

        ``validation`` is asked for only where the task overrides ``thresholds``.
        """

    def caption(self, sample: Sample) -> str:
        """Return what a reader is told about a sample beside its output: its prompt where it has one, else its id."""
        return str(sample.data.get("prompt", sample.id))

    @abstractmethod
    def run(self, system: Any, batch: Sequence[Sample], seed: int) -> Sequence[Output]:
        """Return one output per sample, blind to targets; noise depends on (sample id, seed) only, never on the batch."""

    def probes(self, system: Any, batch_size: int) -> Sequence[Callable[[], Any]]:
        """Return what latency, memory and FLOPs call in turn, one call per item. Default: ``run`` on calibration samples.

        Items are what costs may differ by (frames, prompts); each is called in every round, and intervals know both.
        """
        pool = self.samples("calibration")
        if not pool:
            raise PluginError(
                "samples('calibration') gives none, on which the default probes run; give one, or write probes"
            )
        items = max(1, min(PROBED_ITEMS, len(pool) // batch_size))
        batches = [
            [without_target(pool[(item + j * items) % len(pool)]) for j in range(batch_size)] for item in range(items)
        ]
        return [partial(self.run, system, batch, 0) for batch in batches]

    @abstractmethod
    def score(self, outputs: Sequence[Output], batch: Sequence[Sample], reference: Sequence[Output] | None) -> Scores:
        """Return the scores of a batch; ``reference`` holds what is kept of the reference's outputs on the same noise."""

    def thresholds(self, scores: Scores) -> Mapping[str, float]:
        """Return name -> what is frozen on the scores of the validation split, once per training; ``Scores`` carry it then.

        Whatever is chosen by looking at scores (an operating point) is chosen here, never on the evaluation split.
        """
        return {}

    def summariser(self, scores: Scores) -> Summariser:
        """Return what maps weights [n] to metric key -> value; numpy only, no torch. Default: ``weighted_means``.

        What does not depend on the weights is done here, once; what is returned is called on every bootstrap resample.
        """
        return weighted_means(self.metrics, scores)

    def remarks(self, scores: Scores) -> dict[str, list[str]]:
        """Return metric key -> what a reader has to know beside its value, or why there is none; numpy only.

        A remark is one sentence, worded alike wherever it holds: it stands once under a table, as a footnote of the numbers.
        """
        return {}

    def keep(self, output: Output) -> Output:
        """Return what of an output is worth its bytes. Default: the whole.

        It is all that ``score`` reads, of a reference and of an output itself: others score again what was kept.
        """
        return output

    def preview(self, sample: Sample, output: Output) -> Sequence[Picture]:
        """Return how a reader is shown an output: the only way in which the board draws a sample. Default: nothing."""
        return ()


def without_target(sample: Sample) -> Sample:
    """Return a sample as ``run`` may see it."""
    from dataclasses import replace

    return replace(sample, target=None) if sample.target is not None else sample


def source_folder(plugin: type) -> Path:
    """Return the folder of the file that defines a plugin class, where its data files stand too."""
    import inspect

    return Path(inspect.getfile(plugin)).parent
