"""The package cache-dit (1.5): its Dual Block Cache, with or without its Taylor extrapolation, on the models that it knows.

The first blocks always run; where their residual has moved by less than a threshold, those in between are skipped, and the
last ones run on the cached residual. Defaults are the package's own but for the number of first blocks, 1 in place of 8,
which is more than small models have. Every call starts from an empty cache, and each sample decides for itself, both guided
halves together; the package would take one decision for a whole batch, so that samples run one after the other here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from effbench.api import Artifact, Context, Unsupported
from effbench.caching.method import CachingMethod, CachingParams
from effbench.diffusion import DiffusionSystem
from effbench.errors import one_line
from effbench_baselines.packages import require_packages

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession


class CacheDit(CachingMethod):
    """Hand the denoiser to ``cache_dit.enable_cache`` for the time of each call."""

    name = "cache-dit"
    depends_on_input = True

    class Params(CachingParams):
        """Parameters of the method."""

        threshold: Annotated[
            float, Field(ge=0, description="Relative change of the residual up to which blocks are skipped.")
        ] = 0.08
        first_blocks: Annotated[int, Field(ge=1, description="Blocks at the start that always run.")] = 1
        last_blocks: Annotated[int, Field(ge=0, description="Blocks at the end that always run.")] = 0
        warmup_steps: Annotated[int, Field(ge=1, description="Steps at the start that run in full.")] = 8
        taylor_order: Annotated[
            int | None, Field(ge=1, le=2, description="Order of the residual's extrapolation; null: none.")
        ] = None

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` without the package, for a model that it does not know, and where all steps are warm-up."""
        require_packages(self.name, ("cache_dit",), "pip install 'effbench[cache-dit]'")
        given, kind = self.params, type(system.denoiser).__name__
        if given.warmup_steps >= system.steps:
            raise Unsupported(
                f"{self.name}: the first {given.warmup_steps} of {system.steps} steps run in full, so none is left"
            )
        blocks = len(getattr(system.denoiser, "transformer_blocks", ()))
        if not blocks:
            raise Unsupported(f"{self.name}: {kind} is no stack of transformer blocks")
        if given.first_blocks + given.last_blocks >= blocks:
            raise Unsupported(
                f"{self.name}: {given.first_blocks} first and {given.last_blocks} last blocks always run, "
                f"and {kind} has {blocks}"
            )

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Count the work that is left; raise ``Unsupported`` in the package's words where it refuses the model."""
        from effbench_baselines.caching.cache_dit_session import Refused

        try:
            return super().prepare(system, ctx)
        except Refused as error:
            assert error.__cause__ is not None
            raise Unsupported(
                f"{self.name}: refuses {type(system.denoiser).__name__} ({one_line(error.__cause__)})"
            ) from error

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what enables the package's cache for each call."""
        from effbench_baselines.caching.cache_dit_session import CacheDitSession

        made: CacheSession = CacheDitSession(self.params)
        return made
