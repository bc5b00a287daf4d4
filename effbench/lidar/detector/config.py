"""What a detector is made of, as plain values: they stand in the header of its weights and in a system's settings."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from effbench.errors import BadInput
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.frames import CLASSES

BevKind = Literal["dense", "sparse", "pillar"]
Norm = Literal["sp-bn", "batch"]
STRIDE = 2
"""Voxels per BEV cell of every backbone here: each has one strided convolution."""


@dataclass(frozen=True)
class DetectorConfig:
    """Sizes of a detector.

    ``bev`` is ``dense`` (the paper's: 3x3 convolutions over the whole map), ``sparse`` (VoxelNeXt-type: only occupied cells,
    no dilation) or ``pillar`` (no 3D backbone). ``norm`` is of the dense BEV backbone, ``width`` multiplies all channels.
    """

    grid: VoxelGrid = field(default_factory=VoxelGrid)
    classes: tuple[str, ...] = CLASSES
    bev: BevKind = "dense"
    norm: Norm = "sp-bn"
    width: float = 1.0
    layers: int = 6
    """3x3 convolutions of the dense BEV backbone, as in the paper."""
    stride: int = STRIDE
    """Voxels per BEV cell: 0.4 m with voxels of 0.2 m, the cell of the paper's KITTI detector (8 voxels of 0.05 m)."""

    def __post_init__(self) -> None:
        """Raise ``ValueError`` for what no detector of ours can be made of."""
        for name, kinds in (("bev", get_args(BevKind)), ("norm", get_args(Norm))):
            if getattr(self, name) not in kinds:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {', '.join(kinds)}")
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes {', '.join(map(str, self.classes)) or 'none'}: each once is needed")
        if isinstance(self.width, bool) or not isinstance(self.width, int | float) or not 0 < self.width < math.inf:
            raise ValueError(f"width {self.width!r} is no positive number")
        if self.stride != STRIDE or type(self.stride) is not int:
            raise ValueError(f"stride {self.stride!r}: the backbone has {STRIDE}")
        if type(self.layers) is not int or self.layers < 1:
            raise ValueError(f"layers {self.layers!r} is no count")

    def channels(self, count: int) -> int:
        """Return a number of channels at this width, a multiple of eight."""
        return max(8, round(count * self.width / 8) * 8)

    def to_json(self) -> str:
        """Return the values as JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> DetectorConfig:
        """Return what ``to_json`` wrote; raises ``BadInput`` for anything else."""
        try:
            values: dict[str, Any] = json.loads(text)
            grid = VoxelGrid(**{name: tuple(value) for name, value in values.pop("grid").items()})
            return cls(grid=grid, classes=tuple(values.pop("classes")), **values)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadInput(
                f"these weights name no detector of ours ({error}); export them again with the recipe"
            ) from error
