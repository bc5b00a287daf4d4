"""MagCache (Ma et al.), as diffusers implements it: skip the blocks while a modelled error stays below a threshold.

The model of the error is how much the residual of all blocks grows or shrinks from step to step, which hardly differs between
prompts. That ratio is measured on calibration samples by diffusers' own formula (the mean over tokens of the ratio of norms)
and kept in the artifact: it belongs to this model, this scheduler and this number of steps, and no other model's numbers are
used. Defaults are diffusers' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from effbench.api import Context, PluginError, Unsupported
from effbench.caching.method import CachingMethod, CachingParams
from effbench.diffusion import DiffusionSystem

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession


class MagCache(CachingMethod):
    """Skip all blocks while the accumulated change of their residual's magnitude is small."""

    name = "mag-cache"

    class Params(CachingParams):
        """Parameters of the method."""

        threshold: Annotated[float, Field(ge=0, description="Accumulated error up to which blocks are skipped.")] = 0.06
        max_skip_steps: Annotated[int, Field(ge=0, description="Most evaluations skipped in a row.")] = 3
        retention_ratio: Annotated[float, Field(ge=0, lt=1, description="Share of the run, at its start, in full.")] = (
            0.2
        )

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` for a denoiser that is no single stack of blocks, and where all of the run is in full."""
        from effbench_baselines.caching.diffusers_hooks import evaluations_of, require_one_stack

        require_one_stack(self.name, system.denoiser)
        count = len(evaluations_of(system))
        if int(self.params.retention_ratio * count + 0.5) >= count:
            raise Unsupported(
                f"{self.name}: retention_ratio {self.params.retention_ratio:g} keeps all {count} evaluations of "
                "this run in full"
            )

    def learn(self, system: DiffusionSystem, ctx: Context) -> Mapping[str, Any]:
        """Return the ratios [evaluations], means over calibration samples."""
        from effbench_baselines.caching.context_sessions import MagnitudeRatios

        samples = list(ctx.calibration())[: self.params.calibration_samples]
        if not samples:
            raise PluginError("the task gives no calibration samples, on which the ratios could be measured")
        ratios = MagnitudeRatios()
        for number, sample in enumerate(samples):
            ctx.progress(number, len(samples), "measuring magnitude ratios")
            ctx.run(system.observed_by(ratios), [sample], 0)
        return {"mag_ratios": ratios.means()}

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what puts diffusers' hooks on."""
        from effbench_baselines.caching.context_sessions import MagnitudeSession

        given = self.params
        made: CacheSession = MagnitudeSession(
            learned["mag_ratios"], given.threshold, given.max_skip_steps, given.retention_ratio
        )
        return made
