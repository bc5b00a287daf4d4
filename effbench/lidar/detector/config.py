"""What a detector is made of, as plain values: they stand in the header of its weights and in a system's settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from effbench.errors import BadInput
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.frames import CLASSES

BevKind = Literal["dense", "sparse", "pillar"]
Norm = Literal["sp-bn", "batch"]


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
    stride: int = 2
    """Voxels per BEV cell: 0.4 m with voxels of 0.2 m, the cell of the paper's KITTI detector (8 voxels of 0.05 m)."""

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
