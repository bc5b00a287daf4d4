"""Ada3D: voxels and BEV cells that a learned importance, guided by density, says little about are dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from effbench.api import Artifact, Context, Fact, Method, StrictParams
from effbench.tasks.lidar_detection.system import LidarSystem
from effbench_baselines.ada3d.claims import claims
from effbench_baselines.ada3d.variants import PredictorLoss, Share, facts_of, with_a_share_per_point


class Ada3d(Method):
    """Filter voxels and BEV cells by predicted importance and local density; run what is left sparsely."""

    name = "ada3d"
    accepts = (LidarSystem,)
    tied_to = ("detector", "grid")
    claims = claims()

    class Params(StrictParams):
        """Parameters of the method."""

        variant: Annotated[
            Literal["released", "A", "B", "C", "voxels"],
            Field(
                description="A drops BEV cells alone, B voxels too, C more of both; voxels: of a fully sparse detector."
            ),
        ] = "B"
        voxel_keep: Annotated[
            tuple[Share, ...] | None,
            Field(
                description="Shares of occupied cells whose voxels stay, one by insertion point; the variant's if none."
            ),
        ] = None
        cell_keep: Annotated[
            tuple[Share, ...] | None,
            Field(description="Shares of occupied BEV cells that stay, one by insertion point; the variant's if none."),
        ] = None
        predictor: Annotated[
            bool, Field(description="False: all cells are equally important; density alone decides.")
        ] = True
        density_guidance: Annotated[bool, Field(description="False: importance alone decides.")] = True
        predictor_loss: Annotated[
            PredictorLoss | None,
            Field(
                description="What the predictor's training minimises: squared errors (the paper's) or the cross-entropy to "
                "the map of objects; the variant's if none."
            ),
        ] = None
        training: Annotated[
            Literal["shipped", "none", "full"],
            Field(
                description="Shipped: predictor and detector as tuned for the variant. None: the shipped predictor on the "
                "detector as it is. Full: stages 2 and 3 in the preparation (about 15 minutes on a core)."
            ),
        ] = "shipped"
        predictor_steps: Annotated[
            int, Field(ge=1, description="Steps of 4 frames of stage 2, where training is full.")
        ] = 450
        tuning_steps: Annotated[
            int, Field(ge=1, description="Steps of 4 frames of stage 3, where training is full.")
        ] = 700
        frames: Annotated[int, Field(ge=4, description="Frames of the training split, where training is full.")] = 1600
        execution: Annotated[
            Literal["auto", "sparse", "dense"],
            Field(description="How BEV runs: auto goes over to a dense map above the measured break-even density."),
        ] = "auto"

        _checked = model_validator(mode="after")(with_a_share_per_point)

    def prepare(self, system: LidarSystem, ctx: Context) -> Artifact:
        """Take the shipped weights or train, then look at the calibration frames for what the filter does to them."""
        from effbench_baselines.ada3d.preparing import prepared

        made: Artifact = prepared(system, self.params, ctx)
        return made

    def apply(self, system: LidarSystem, artifact: Artifact) -> LidarSystem:
        """Return the system with the filter in its detector, and the tuned weights."""
        from effbench_baselines.ada3d.preparing import applied

        done: LidarSystem = applied(system, self.params, artifact)
        return done

    def facts(self, system: LidarSystem) -> Mapping[str, Fact | float]:
        """Return what the filter did to the calibration frames."""
        told: Mapping[str, Fact | float] = facts_of(system)
        return told
