"""What Ada3D's variants keep and where, and which detector the shipped weights belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field

from effbench.api import Fact, Unsupported
from effbench.tasks.lidar_detection.system import LidarSystem

Share = Annotated[float, Field(gt=0, le=1)]
Params = TypeVar("Params")


class Shares(NamedTuple):
    """Shares of occupied cells that stay: by block of the 3D backbone, and by the 3x3 convolution that they go into."""

    voxels: Mapping[str, float]
    cells: Mapping[int, float]


VARIANTS: Mapping[str, Shares] = {
    "released": Shares({"conv1": 0.75, "conv2": 0.75}, {1: 0.5, 3: 0.5}),
    "A": Shares({}, {1: 0.5, 3: 0.3, 5: 0.3}),
    "B": Shares({"conv2": 0.57}, {1: 0.38, 3: 0.33, 5: 0.33}),
    "C": Shares({"conv2": 0.4}, {1: 0.25, 3: 0.2, 5: 0.2}),
    "voxels": Shares({"conv1": 0.65, "conv2": 0.7}, {}),
}
"""What each variant keeps.

The paper says what A, B and C come to (20 % of the pixels; that and 60 % of the voxels; 10 % and 40 %), not which shares its
insertion points had. Released are 75 % and 50 %, at two points each, which leaves a third of our pixels. Chosen on
validation frames by what the detection loss of the detector before its tuning loses, at as many operations (docs/lidar.md).
A third point over BEV, before the last convolution, saves most of the head. A drop after the first 3D block gains nothing
over dropping later, so A, B and C have none there; the 57 % of the cells that B keeps after the second hold 60 % of
the voxels.
``voxels`` drops no cells: for a fully sparse detector, of which the paper gives a result (VoxelNeXt) and no shares."""
PredictorLoss = Literal["squared", "cross-entropy"]
"""What stage 2 minimises: squared errors to the map, the paper's, or the cross-entropy to it."""
PAPERS_LOSS = ("released",)
"""Variants whose predictors minimise squared errors."""
VOXEL_POINTS = ("conv1", "conv2")
"""Blocks of the 3D backbone that a filter may stand after."""
SHIPPED_FOR = "zoo:lidar-detectors/dense"
"""The detector that the shipped weights were tuned from."""
SHIPPED_FOR_VOXELS = "zoo:lidar-detectors/sparse"
"""The one that those of the variant ``voxels`` were."""


def ratios(params: Any) -> Shares:
    """Return the shares kept; ``ValueError`` where a parameter has another number of them than the variant has points."""
    shares = VARIANTS[params.variant]
    return Shares(
        _instead("voxel_keep", params.voxel_keep, shares.voxels, params.variant),
        _instead("cell_keep", params.cell_keep, shares.cells, params.variant),
    )


def with_a_share_per_point(params: Params) -> Params:
    """Return parameters as they are; ``ValueError`` where ``ratios`` gives one: for a model's validator."""
    ratios(params)
    return params


def _instead(name: str, given: Sequence[float] | None, shares: Mapping[Any, float], variant: str) -> dict[Any, float]:
    if given is None:
        return dict(shares)
    if len(given) != len(shares):
        points = ", ".join(map(str, shares)) or "none"
        raise ValueError(
            f"{name} has {len(given)} shares, and variant {variant} has {len(shares)} such points: {points}"
        )
    return dict(zip(shares, given, strict=True))


def minimised_by(variant: str, given: PredictorLoss | None = None) -> PredictorLoss:
    """Return what stage 2 of a variant minimises: what is given, or the variant's own."""
    return given or ("squared" if variant in PAPERS_LOSS else "cross-entropy")


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
