"""First Block Cache (of ParaAttention), as diffusers implements it.

The first block always runs. Where its residual has moved by less than a threshold since the last full run (mean absolute
change over mean absolute value), all other blocks are skipped and their common residual of that run is added. The default
threshold is diffusers' 0.05. Decisions are each sample's own, both guided halves together: diffusers would take one for the
whole batch, so that an image depended on its batch mates; samples therefore run one after the other here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from effbench.caching.method import CachingMethod, CachingParams
from effbench.diffusion import DiffusionSystem

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession


class FirstBlockCache(CachingMethod):
    """Skip all blocks but the first while that one's residual hardly moves."""

    name = "first-block-cache"
    depends_on_input = True

    class Params(CachingParams):
        """Parameters of the method."""

        threshold: Annotated[
            float, Field(ge=0, description="Relative change of the residual up to which blocks are skipped.")
        ] = 0.05

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` for a denoiser that is no single stack of blocks."""
        from effbench_baselines.caching.diffusers_hooks import require_one_stack

        require_one_stack(self.name, system.denoiser)

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what puts diffusers' hooks on."""
        from effbench_baselines.caching.context_sessions import FirstBlockSession

        made: CacheSession = FirstBlockSession(self.params.threshold)
        return made
