"""The contract of a method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from effbench.api.metrics import Claim, Fact
from effbench.api.params import StrictParams
from effbench.api.system import Artifact, Context, System
from effbench.api.version import API_VERSION

Execution = Literal["real", "simulated"]


class Method(ABC):
    """A submission: takes a system, returns a cheaper (or otherwise changed) one."""

    name: ClassVar[str]
    api_version: ClassVar[int] = API_VERSION
    accepts: ClassVar[tuple[type[System], ...]]
    claims: ClassVar[tuple[Claim, ...]] = ()
    kernels: tuple[str, ...] = ()
    """Globs over names of operators and kernels that a real execution must be seen to run; parameters may choose them."""
    random_preparation: ClassVar[bool] = False
    """Whether another seed prepares another artifact (a training): then each seed of the suite has its own, and intervals
    are about the method and not about one training."""
    tied_to: tuple[str, ...] = ()
    """Names of ``System.settings()`` under which alone an artifact holds; under other values it is refused. Parameters may
    choose them."""
    changes: ClassVar[tuple[str, ...]] = ()
    """Names of ``System.settings()`` that ``apply`` changes: no link before it in a chain may be tied to one of them."""

    Params: ClassVar[type[StrictParams]] = StrictParams

    def __init__(self, params: StrictParams | None = None) -> None:
        self.params: Any = type(self).Params() if params is None else params

    def execution(self) -> Execution:
        """Return "simulated" where the method only imitates its effect; its latency and memory are then null."""
        return "real"

    def prepare(self, system: Any, ctx: Context) -> Artifact:
        """Calibrate, search or train; runs once per cell (and seed, if random), is timed and stored. Default: nothing.

        It may keep checkpoints in ``work_folder()``: what is killed is prepared again, and finds them there.
        """
        return Artifact()

    @abstractmethod
    def apply(self, system: Any, artifact: Artifact) -> System:
        """Return the changed system; cheap and deterministic, since it runs in every process of the cell."""

    def facts(self, system: Any) -> Mapping[str, Fact | float]:
        """Return name -> what the method computes about the system that it made; marked as computed, never as measured."""
        return {}
