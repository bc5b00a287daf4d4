"""TeaCache (Liu et al., arXiv 2411.19108): skip a step while the timestep-modulated input is expected to change little.

The relative L1 change of the first block's modulated input from one evaluation to the next is turned into an expected
change of the model's output by a polynomial, and summed. While the sum stays below a threshold, all blocks are skipped and
their common residual of the last full evaluation is added to the input; else they run, and the sum starts anew. The first
and the last step always run. Each sample decides for itself, both guided halves together, so that an image does not depend
on its batch mates.

The polynomial (of degree 4, as published) belongs to a model and a schedule. It is fitted here on calibration samples: the
change of the denoiser's output against that of the modulated input, over all successive evaluations. Nothing is taken from
the authors' lists. A fitted value below zero, which a polynomial may have, counts as zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from effbench.api import Context, Unsupported
from effbench.caching.method import CachingMethod, CachingParams
from effbench.diffusion import DiffusionSystem

if TYPE_CHECKING:
    from effbench.caching.session import CacheSession


class TeaCache(CachingMethod):
    """Skip all blocks while the summed expected change of the output is below a threshold."""

    name = "teacache"
    depends_on_input = True

    class Params(CachingParams):
        """Parameters of the method."""

        threshold: Annotated[
            float, Field(ge=0, description="Summed relative L1 change of the output up to which blocks are skipped.")
        ] = 0.15
        degree: Annotated[int, Field(ge=1, le=8, description="Degree of the fitted polynomial.")] = 4

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` for a denoiser whose modulated input is not known, and for a run of two steps."""
        from effbench_baselines.caching.teacache_session import BLOCKS, NORMS

        denoiser = system.denoiser
        kind = type(denoiser).__name__
        blocks = getattr(denoiser, BLOCKS[0], None)
        if not blocks or not hasattr(denoiser, "norm_out") or getattr(blocks[0], "norm_type", None) not in NORMS:
            raise Unsupported(
                f"{self.name}: knows the timestep-modulated input of PixArt, Latte and DiT, and not that of {kind}"
            )
        if system.steps < 3:
            raise Unsupported(
                f"{self.name}: the first and the last step always run, and the system takes {system.steps}"
            )

    def learn(self, system: DiffusionSystem, ctx: Context) -> Mapping[str, Any]:
        """Return the polynomial's coefficients, highest power first, and how far its fit is off."""
        from effbench_baselines.caching.teacache_fit import fitted

        found: Mapping[str, Any] = fitted(system, ctx, self.params.calibration_samples, self.params.degree)
        return found

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what decides and skips."""
        from effbench_baselines.caching.teacache_session import TeaCacheSession

        made: CacheSession = TeaCacheSession(self.params.threshold, learned["coefficients"])
        return made
