"""TaylorSeer (Liu et al., arXiv 2503.06923), as diffusers implements it.

Attention and feed-forward layers compute once in N steps; in between their outputs are extrapolated by a Taylor expansion,
whose derivatives are differences of the outputs that were computed. Defaults are diffusers' own, but for two things.
diffusers' patterns match names that end in "attn", which no layer of PixArt, DiT or Latte does, so that it would hook
nothing and say nothing; here the layers are named. And factors have the model's own type instead of bfloat16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from effbench.api import Unsupported
from effbench.caching.method import CachingMethod, CachingParams
from effbench.diffusion import DiffusionSystem

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession


class TaylorSeer(CachingMethod):
    """Extrapolate the outputs of attention and feed-forward layers over steps."""

    name = "taylor-seer"

    class Params(CachingParams):
        """Parameters of the method."""

        interval: Annotated[int, Field(ge=1, description="Steps from one full run to the next.")] = 5
        first: Annotated[int, Field(ge=1, description="Steps at the start that all run in full.")] = 3
        order: Annotated[int, Field(ge=0, description="Order of the expansion; 0 gives the last output again.")] = 1

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` where the start is the whole run, or no layer is there to extrapolate."""
        from effbench.caching.counting import last_modules

        if self.params.first >= system.steps:
            raise Unsupported(
                f"{self.name}: the first {self.params.first} of {system.steps} steps run in full, so none is left"
            )
        if not any(True for _ in last_modules(system.denoiser)):
            raise Unsupported(f"{self.name}: {type(system.denoiser).__name__} has no attention or feed-forward layers")

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what puts diffusers' hooks on."""
        from effbench_baselines.caching.context_sessions import TaylorSession

        made: CacheSession = TaylorSession(self.params.interval, self.params.first, self.params.order)
        return made
