"""Pyramid Attention Broadcast (Zhao et al., arXiv 2408.12588), as diffusers implements it.

An attention layer computes once in N runs of the denoiser and gives its last output in between, while the timestep lies in a
range. Defaults are diffusers' own: every second output of spatial attention between timesteps 100 and 800, nothing else.
Which layer is spatial, temporal or cross comes from the model here; diffusers' own patterns also take Latte's temporal layers
for spatial ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from effbench.api import Unsupported
from effbench.caching.method import CachingMethod, CachingParams
from effbench.diffusion import DiffusionSystem

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession

Interval = Annotated[int, Field(ge=1)]
Timestep = Annotated[int, Field(ge=-1, le=1001)]


class PyramidAttentionBroadcast(CachingMethod):
    """Reuse outputs of attention layers in a range of timesteps."""

    name = "pyramid-attention-broadcast"

    class Params(CachingParams):
        """Parameters of the method."""

        spatial: Annotated[
            Interval | None, Field(description="Runs from one output of self-attention to the next; null: none reused.")
        ] = 2
        temporal: Annotated[Interval | None, Field(description="The same of attention over frames.")] = None
        cross: Annotated[Interval | None, Field(description="The same of attention to the text.")] = None
        timesteps: Annotated[
            tuple[Timestep, Timestep], Field(description="Outputs are reused strictly between these two timesteps.")
        ] = (100, 800)

        @model_validator(mode="after")
        def _makes_sense(self) -> PyramidAttentionBroadcast.Params:
            if not (self.spatial or self.temporal or self.cross):
                raise ValueError("none of spatial, temporal and cross is given; give one the number of runs, such as 2")
            if self.timesteps[0] >= self.timesteps[1]:
                raise ValueError(f"timesteps go up from the first to the second, got {list(self.timesteps)}")
            return self

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` where no layer is of a kind that is asked for, or no timestep in the range."""
        from effbench_baselines.caching.diffusers_hooks import attention_of, require_evaluations_within

        layers = attention_of(system)
        asked = [kind for kind in layers if getattr(self.params, kind) is not None]
        if not any(layers[kind] for kind in asked):
            raise Unsupported(
                f"{self.name}: {type(system.denoiser).__name__} has no attention that is {' or '.join(asked)}"
            )
        require_evaluations_within(self.name, "timesteps", self.params.timesteps, system)

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what puts diffusers' hooks on."""
        from effbench_baselines.caching.broadcast_session import BroadcastSession

        given = self.params
        made: CacheSession = BroadcastSession(
            {"spatial": given.spatial, "temporal": given.temporal, "cross": given.cross}, given.timesteps
        )
        return made
