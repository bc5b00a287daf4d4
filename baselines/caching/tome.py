"""Token merging for diffusion (Bolya and Hoffman, arXiv 2303.17604): similar image tokens go through self-attention as one.

One token of each cell of the image is a destination, drawn at random; of all others, those most similar to a destination
(cosine of what the attention is given) are merged into it by their mean, and get its output back afterwards. As published,
only self-attention is merged, at the finest resolution that has any, with cells of 2x2, ratio 1/2 and destinations drawn
anew at every run of the denoiser. They are drawn from a seed and are the same for a whole batch, so that samples do not
depend on their batch mates. The similarity is of the attention's input, after norm and modulation, where the paper's code
takes the block's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from effbench.api import Artifact, Context, Fact, Method, StrictParams
from effbench.diffusion import DiffusionSystem


class ToMe(Method):
    """Merge similar tokens around self-attention."""

    name = "tome"
    accepts = (DiffusionSystem,)
    tied_to = ("model", "revision", "height", "width", "frames")

    class Params(StrictParams):
        """Parameters of the method."""

        ratio: Annotated[float, Field(ge=0, lt=1, description="Share of the tokens that is merged into others.")] = 0.5
        cell: Annotated[
            int, Field(ge=2, description="Side of the cells that have one destination each, in tokens.")
        ] = 2
        random: Annotated[bool, Field(description="Draw destinations; false: the upper left token of each cell.")] = (
            True
        )
        seed: Annotated[int, Field(ge=0, description="Seed of the draw, which every call starts from anew.")] = 0
        coarser: Annotated[int, Field(ge=0, description="Coarser resolutions of a U-Net that are merged, too.")] = 0

        @model_validator(mode="after")
        def _makes_sense(self) -> ToMe.Params:
            most = 1 - 1 / self.cell**2
            if self.ratio > most:
                raise ValueError(
                    f"ratio {self.ratio:g}: cells of {self.cell}x{self.cell} leave at most {most:g} to merge"
                )
            return self

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Find which layers have a grid of tokens, and of which size, by running one calibration sample."""
        from effbench_baselines.caching.tome_session import merged_layers

        layers = merged_layers(self.name, system, ctx, self.params.cell, self.params.coarser)
        return Artifact(config={"layers": {name: list(grid) for name, grid in layers.items()}})

    def apply(self, system: DiffusionSystem, artifact: Artifact) -> DiffusionSystem:
        """Return the system with an observer that wraps attention while the pipeline is called."""
        from effbench_baselines.caching.tome_session import MergedLayer, MergingSession

        given = self.params
        layers = {
            name: MergedLayer(height, width, given.cell, given.ratio)
            for name, (height, width) in artifact.config["layers"].items()
        }
        return system.observed_by(MergingSession(layers, given.seed if given.random else None))

    def facts(self, system: DiffusionSystem) -> Mapping[str, Fact | float]:
        """Return the share of tokens that the merged layers still see; it does not depend on the input."""
        from effbench_baselines.caching.tome_session import MergingSession

        session = next(o for o in reversed(system.observers) if isinstance(o, MergingSession))
        kept = [1 - layer.merged / layer.tokens for layer in session.layers.values()]
        return {"kept_token_share": Fact(sum(kept) / len(kept), "share"), "merged_layers": Fact(len(kept))}
