"""DeepCache (Ma et al., arXiv 2312.00858): a U-Net's deep features are computed once in N runs and reused in between.

In a run in between, only the shallow end is computed: down to one skip connection, and from there on the way up, where the
cached deep feature takes the place of what would have come from below. Skips are counted from the shallowest, which is the
output of ``conv_in``, as ``branch`` 0. Defaults are those of the authors' package as the documentation of diffusers gives
them (interval 3, branch 0). The schedule is the uniform one; the paper's other, denser around one step, is left out.
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

BLOCKS = ("DownBlock2D", "CrossAttnDownBlock2D", "UpBlock2D", "CrossAttnUpBlock2D")
"""Classes of blocks that can be run in part, those of Stable Diffusion and SDXL."""


class DeepCache(CachingMethod):
    """Reuse the deep features of a U-Net."""

    name = "deep-cache"

    class Params(CachingParams):
        """Parameters of the method."""

        interval: Annotated[int, Field(ge=1, description="Runs from one full one to the next.")] = 3
        branch: Annotated[int, Field(ge=0, description="Skip connection down to which every run computes.")] = 0

    def check(self, system: DiffusionSystem) -> None:
        """Raise ``Unsupported`` for what is no U-Net of known blocks, and for a branch that it has not."""
        unet = system.denoiser
        kind = type(unet).__name__
        if not all(hasattr(unet, part) for part in ("down_blocks", "mid_block", "up_blocks")):
            raise Unsupported(f"{self.name}: {kind} is no U-Net, and has no skip connections to stop at")
        for block in (*unet.down_blocks, *unet.up_blocks):
            if type(block).__name__ not in BLOCKS:
                raise Unsupported(f"{self.name}: cannot run {type(block).__name__} in part; it can {', '.join(BLOCKS)}")
        skips = sum(len(block.resnets) for block in unet.up_blocks)
        if self.params.branch >= skips:
            raise Unsupported(
                f"{self.name}: {kind} has branches 0 to {skips - 1}, and none of number {self.params.branch}"
            )

    def session(self, system: DiffusionSystem, learned: Mapping[str, Any]) -> CacheSession:
        """Return what runs the U-Net in part."""
        from effbench_baselines.caching.deep_cache_session import DeepCacheSession

        made: CacheSession = DeepCacheSession(self.params.interval, self.params.branch)
        return made
