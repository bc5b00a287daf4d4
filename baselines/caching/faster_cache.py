"""FasterCache (Lv et al., arXiv 2410.19355), as diffusers implements it.

In most runs of the denoiser the unconditional half is not computed: it is made of the conditional one and of the difference
between the two at the last full run, low and high frequencies apart. In such runs self-attention is extrapolated from its
last two outputs, too. Defaults are diffusers' own. Without guidance there is no half to leave out, and only attention is
reused. diffusers takes the first half of the batch for the unconditional one; where it is the second, the halves trade
places around its hook.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from effbench.api import Unsupported
from effbench.caching.method import CachingMethod, CachingParams
from effbench.diffusion import DiffusionSystem
from effbench_baselines.caching.pyramid_attention_broadcast import Interval, Timestep

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession


class FasterCache(CachingMethod):
    """Leave the unconditional half out, and extrapolate attention, in ranges of timesteps."""

    name = "faster-cache"

    class Params(CachingParams):
        """Parameters of the method."""

        unconditional: Annotated[
            Interval, Field(description="Runs from one computed unconditional half to the next.")
        ] = 5
        unconditional_timesteps: Annotated[
            tuple[Timestep, Timestep], Field(description="It is left out strictly between these two timesteps.")
        ] = (-1, 641)
        attention: Annotated[
            Interval, Field(description="Runs from one computed output of self-attention to the next.")
        ] = 2
        attention_timesteps: Annotated[
            tuple[Timestep, Timestep],
            Field(description="Attention is extrapolated strictly between these two timesteps."),
        ] = (-1, 681)
        attention_weight: Annotated[
            float, Field(ge=0, le=1, description="How much of the last change of attention's output is added again.")
        ] = 0.5
        alpha_low: Annotated[float, Field(gt=0, description="Growth a run of the difference's low frequencies.")] = 1.1
        alpha_high: Annotated[float, Field(gt=0, description="Growth a run of its high frequencies.")] = 1.1

        @model_validator(mode="after")
        def _makes_sense(self) -> FasterCache.Params:
            for name in ("unconditional_timesteps", "attention_timesteps"):
                low, high = getattr(self, name)
                if low >= high:
                    raise ValueError(f"{name} go up from the first to the second, got {[low, high]}")
            return self

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` where the halves run apart, for U-Nets, and where no timestep lies in a range."""
        from effbench_baselines.caching.diffusers_hooks import STACKS, require_evaluations_within

        kind = type(system.denoiser).__name__
        if not any(hasattr(system.denoiser, stack) for stack in STACKS):
            raise Unsupported(
                f"{self.name}: {kind} is no stack of transformer blocks, and diffusers hooks attention of those only"
            )
        if system.guidance_order == "conditional-call-first":
            raise Unsupported(
                f"{self.name}: it leaves out half of a guided batch, and this pipeline runs the halves as two calls"
            )
        if system.guidance_order != "off":
            require_evaluations_within(
                self.name, "unconditional_timesteps", self.params.unconditional_timesteps, system
            )
        require_evaluations_within(self.name, "attention_timesteps", self.params.attention_timesteps, system)

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what puts diffusers' hooks on."""
        from effbench_baselines.caching.faster_cache_session import FasterCacheSession

        made: CacheSession = FasterCacheSession(self.params)
        return made
