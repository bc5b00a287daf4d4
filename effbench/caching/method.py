"""What every caching method shares: how its share of real work is counted, and its hooks put on for one call at a time."""

from __future__ import annotations

import statistics
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from effbench.api import Artifact, Context, Fact, Method, PluginError, StrictParams, Unsupported
from effbench.diffusion import DiffusionSystem

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession


class CachingParams(StrictParams):
    """What all of them ask for."""

    calibration_samples: Annotated[
        int, Field(ge=1, description="Calibration samples on which real work is counted, and what is fitted is fitted.")
    ] = 8


class CachingMethod(Method):
    """A method whose hooks are on the denoiser while the pipeline is called, and nowhere in between.

    So every call starts from empty caches, and a dropped system leaves nothing behind. The preparation runs the changed
    system on calibration samples and counts which layers really computed: that is the fact ``mean_computed_share``, and
    where decisions depend on the input, ``computed_share_sd`` is its standard deviation over the samples.
    """

    accepts = (DiffusionSystem,)
    tied_to = (
        "model", "revision", "scheduler", "steps", "height", "width", "frames", "guidance_order", "guidance_scale",
    )  # fmt: skip
    Params: ClassVar[type[StrictParams]] = CachingParams
    depends_on_input: ClassVar[bool] = False
    """Whether what is computed differs from sample to sample: then each sample of a batch decides for itself."""

    @abstractmethod
    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` where the method cannot work on a system, in one sentence."""

    @abstractmethod
    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what puts the hooks on; ``learned`` is what ``learn`` left."""

    def learn(self, system: DiffusionSystem, ctx: Context) -> Mapping[str, Any]:
        """Return what the method has to know of this model, as plain values; default: nothing."""
        return {}

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Learn what is specific to the model, then count the work that is left; the system stays as it is."""
        from effbench.caching.counting import computed_share

        self._check(system)
        learned = dict(self.learn(system, ctx))
        samples = list(ctx.calibration())[: self.params.calibration_samples if self.depends_on_input else 1]
        if not samples:
            raise PluginError("the task gives no calibration samples, on which the work that is left could be counted")
        shares = []
        for number, sample in enumerate(samples):
            ctx.progress(number, len(samples), "counting computed layers")
            shares.append(computed_share(system.observed_by(self.session(system, learned)), ctx, sample))
        return Artifact(config={"learned": learned, "computed_shares": shares})

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with an observer that puts the hooks on; raise ``Unsupported`` where they cannot work."""
        self._check(system)
        session = self.session(system, artifact.config["learned"])
        session.computed_shares = tuple(artifact.config["computed_shares"])
        return system.observed_by(session)

    def facts(self, system: DiffusionSystem) -> Mapping[str, Fact | float]:
        """Return the share of evaluations of layers that really computed, and its spread over samples."""
        from effbench.caching.session import CacheSession

        shares = next(o.computed_shares for o in reversed(system.observers) if isinstance(o, CacheSession))
        found = {"mean_computed_share": Fact(statistics.fmean(shares), "share")}
        if self.depends_on_input:
            found["computed_share_sd"] = Fact(statistics.pstdev(shares), "share")
        return found

    def _check(self, system: DiffusionSystem) -> None:
        if system.steps < 2:
            raise Unsupported(f"{self.name}: the system takes one step, so there is no earlier one to reuse")
        if system.guidance_order == "unknown":
            raise Unsupported(f"{self.name}: the task of this system does not say how its batch is guided")
        if system.denoiser._compiled_call_impl is not None:
            raise Unsupported(
                f"{self.name}: the denoiser is compiled by an earlier link, and hooks would compile it anew"
            )
        self.check(system)
