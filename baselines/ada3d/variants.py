"""What Ada3D's variants keep and where, and which detector the shipped weights belong to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from effbench.api import Fact, Unsupported
from effbench.tasks.lidar_detection.system import LidarSystem

Share = Annotated[float, Field(gt=0, le=1)]

VARIANTS: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "released": ((0.75, 0.75), (0.5, 0.5)),
    "A": ((1.0, 1.0), (0.3, 0.3)),
    "B": ((0.65, 0.7), (0.27, 0.27)),
    "C": ((0.5, 0.5), (0.2, 0.2)),
    "voxels": ((0.65, 0.7), (1.0, 1.0)),
}
"""Shares kept at the two insertion points among the voxels and at the two over BEV.

The paper says what A, B and C come to (20 % of the pixels; that and 60 % of the voxels; 10 % and 40 %), not which shares its
insertion points had; the released configuration has 75 % and 50 %, which leaves a third of our pixels. These come to about
what the paper says, after the growth between the points; facts say how much exactly. ``voxels`` is B without a map: for a
fully sparse detector, of which the paper gives a result (VoxelNeXt) and no shares."""
VOXEL_POINTS, CELL_LAYERS = ("conv1", "conv2"), (1, 3)
"""Where shares are kept: after the two blocks of the 3D backbone, before the second and the fourth 3x3 convolution."""
SHIPPED_FOR = "zoo:lidar-detectors/dense"
"""The detector that the shipped weights were tuned from."""
SHIPPED_FOR_VOXELS = "zoo:lidar-detectors/sparse"
"""The one that those of the variant ``voxels`` were."""


def ratios(params: Any) -> tuple[dict[str, float], dict[int, float]]:
    """Return the shares kept by insertion point among voxels and by BEV layer."""
    voxels, cells = VARIANTS[params.variant]
    return (
        dict(zip(VOXEL_POINTS, params.voxel_keep or voxels)),
        dict(zip(CELL_LAYERS, params.cell_keep or cells)),
    )


def facts_of(system: LidarSystem) -> dict[str, Fact | float]:
    """Return the facts that a preparation left with a detector's filter."""
    told: Mapping[str, tuple[float, str]] = getattr(system.detector.filter, "told", {})
    return {name: Fact(value, unit) for name, (value, unit) in told.items()}


def shipped_for(variant: str) -> str:
    """Return the detector that a variant's shipped weights were tuned from."""
    return SHIPPED_FOR_VOXELS if variant == "voxels" else SHIPPED_FOR


def checked_for_shipped(system: LidarSystem, variant: str) -> None:
    """Raise ``Unsupported`` where the shipped weights of a variant were tuned from another detector."""
    if system.name != shipped_for(variant):
        raise Unsupported(
            f"ada3d: the shipped weights of {variant} were tuned from {shipped_for(variant)}, and the system is "
            f"{system.name}; say training: full"
        )
