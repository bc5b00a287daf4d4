"""The peers as methods: rules of dropping, another detector, int8 over BEV. Controls, so they carry no claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from effbench.api import Artifact, Context, Fact, Method, StrictParams, Unsupported
from effbench.tasks.lidar_detection.system import LidarSystem
from effbench_baselines.ada3d.variants import Share, facts_of, ratios, with_a_share_per_point

Execution = Annotated[Literal["auto", "sparse", "dense"], Field(description="How a dense BEV backbone runs.")]


class LidarDrop(Method):
    """Drop voxels and BEV cells by a plain rule, as many as Ada3D does and at the same places."""

    name = "lidar-drop"
    accepts = (LidarSystem,)
    tied_to = ("detector", "grid")

    class Params(StrictParams):
        """Parameters of the method."""

        rule: Annotated[
            Literal["random", "distance", "density", "magnitude", "oracle"],
            Field(
                description="Random; the far ones go; the dense ones go; the weak ones go; those outside true boxes go."
            ),
        ] = "random"
        variant: Annotated[Literal["released", "A", "B", "C"], Field(description="Shares as in `ada3d`.")] = "B"
        voxel_keep: Annotated[tuple[Share, ...] | None, Field(description="Shares whose voxels stay.")] = None
        cell_keep: Annotated[tuple[Share, ...] | None, Field(description="Shares of BEV cells that stay.")] = None
        seed: Annotated[int, Field(ge=0, description="Of the random rule.")] = 0
        tuned: Annotated[
            bool, Field(description="On Ada3D's tuned weights of the variant, instead of the plain ones.")
        ] = False
        execution: Execution = "auto"

        _checked = model_validator(mode="after")(with_a_share_per_point)

    def prepare(self, system: LidarSystem, ctx: Context) -> Artifact:
        """Look at the calibration frames for what the filter does to them."""
        from effbench_baselines.ada3d.preparing import calibration_frames, facts_on

        frames = calibration_frames(system, ctx)
        _dropping(system, self.params)
        return Artifact({}, {"facts": facts_on(system.detector, frames)})

    def apply(self, system: LidarSystem, artifact: Artifact) -> LidarSystem:
        """Return the system with the rule's filter in its detector."""
        _dropping(system, self.params)
        system.detector.executed(self.params.execution)
        system.detector.filter.told = {name: tuple(value) for name, value in artifact.config["facts"].items()}
        return replace(system, sees_truth=system.sees_truth or self.params.rule == "oracle")

    def facts(self, system: LidarSystem) -> Mapping[str, Fact | float]:
        """Return what the filter did to the calibration frames."""
        facts: dict[str, Fact | float] = facts_of(system)
        return facts


class LidarFocals(Method):
    """Let only important cells grow in the 3x3 convolutions over BEV (Focals Conv's policy)."""

    name = "lidar-focals"
    accepts = (LidarSystem,)
    tied_to = ("detector", "grid")

    class Params(StrictParams):
        """Parameters of the method."""

        spread: Annotated[Share, Field(description="Share of occupied cells that may grow.")] = 0.5
        execution: Execution = "auto"

    def apply(self, system: LidarSystem, artifact: Artifact) -> LidarSystem:
        """Return the system with the filter in its detector."""
        from effbench_baselines.lidar_peers.focals import FocalGrowth

        _need_dense_bev(self.name, system)
        system.detector.filter = FocalGrowth(self.params.spread)
        system.detector.executed(self.params.execution)
        return system


class LidarBev(Method):
    """Run the same detector's BEV backbone sparsely: what SP-BN alone makes possible, nothing dropped."""

    name = "lidar-sparse-bev"
    accepts = (LidarSystem,)

    class Params(StrictParams):
        """Parameters of the method."""

        execution: Execution = "auto"

    def apply(self, system: LidarSystem, artifact: Artifact) -> LidarSystem:
        """Return the system that runs so."""
        _need_dense_bev(self.name, system)
        _checked_for_cells(self.name, system.detector, self.params.execution)
        system.detector.executed(self.params.execution)
        return system


class LidarDetectorPeer(Method):
    """Another detector that ships, trained on the same frames: fully sparse, half as wide, pillars."""

    name = "lidar-detector"
    accepts = (LidarSystem,)
    changes = ("detector", "grid")

    class Params(StrictParams):
        """Parameters of the method."""

        system: Annotated[str, Field(description="`zoo:lidar-detectors/NAME`, or a .safetensors file.")] = (
            "zoo:lidar-detectors/sparse"
        )
        execution: Execution = "dense"

    def apply(self, system: LidarSystem, artifact: Artifact) -> LidarSystem:
        """Return the other system."""
        from effbench.tasks.lidar_detection.detectors import load

        other = load(self.params.system)
        _checked_for_cells(self.name, other.detector, self.params.execution)
        other.detector.executed(self.params.execution)
        return other


class LidarInt8(Method):
    """The dense BEV backbone in int8: static ranges from the calibration frames, norms folded into the weights."""

    name = "lidar-int8-bev"
    accepts = (LidarSystem,)
    tied_to = ("detector", "grid")
    kernels = ("conv2d_w8a8/*",)

    def prepare(self, system: LidarSystem, ctx: Context) -> Artifact:
        """Find the range of every convolution's input on the calibration frames."""
        from effbench_baselines.ada3d.preparing import calibration_frames
        from effbench_baselines.lidar_peers.int8 import input_ranges

        _need_dense_bev(self.name, system)
        frames = calibration_frames(system, ctx)
        return Artifact({}, {"ranges": [list(ends) for ends in input_ranges(system.detector, frames)]})

    def apply(self, system: LidarSystem, artifact: Artifact) -> LidarSystem:
        """Return the system with int8 convolutions over BEV."""
        from effbench_baselines.lidar_peers.int8 import to_int8

        _need_dense_bev(self.name, system)
        to_int8(system.detector, [(low, high) for low, high in artifact.config["ranges"]])
        return system


def _dropping(system: LidarSystem, params: Any) -> None:
    """Put the rule's filter into a detector, and tuned weights where they are asked for."""
    from effbench_baselines.ada3d.preparing import load_tuned_detector
    from effbench_baselines.lidar_peers.rules import RuleDropper

    detector = system.detector
    _need_dense_bev("lidar-drop", system)
    if params.tuned:
        load_tuned_detector(system, params.variant)
    voxels, cells = ratios(params)
    detector.filter = RuleDropper(params.rule, detector.config, voxels, cells, params.seed)
    detector.eval()


def _checked_for_cells(name: str, detector: Any, execution: str) -> None:
    """Raise ``Unsupported`` where a BEV backbone is to run over occupied cells and its norms fill the others."""
    if execution != "dense" and not all(block.keeps_zeros for block in getattr(detector.bev, "blocks", ())):
        raise Unsupported(f"{name}: this detector's norms make empty cells positive; only SP-BN keeps them empty")


def _need_dense_bev(name: str, system: LidarSystem) -> None:
    from effbench.lidar.detector.backbones import DenseBev, VoxelBackbone

    detector = system.detector
    if not isinstance(detector.bev, DenseBev) or not isinstance(detector.backbone3d, VoxelBackbone):
        raise Unsupported(f"{name}: it changes voxels and a dense BEV backbone, and this detector has not got both")
