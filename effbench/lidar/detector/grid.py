"""The grid that points fall into: metres to voxels, and the BEV cells that detectors and filters decide about."""

from __future__ import annotations

import math
from dataclasses import dataclass

from effbench.errors import BadInput


@dataclass(frozen=True)
class VoxelGrid:
    """A box in front of the sensor and the size of its voxels, all in metres and in the order x, y, z.

    The default is KITTI's camera view cut at 51.2 m, with voxels of 0.2 m: 256 x 256 x 16 of them.
    """

    low: tuple[float, float, float] = (0.0, -25.6, -2.5)
    high: tuple[float, float, float] = (51.2, 25.6, 1.5)
    voxel: tuple[float, float, float] = (0.2, 0.2, 0.25)

    def __post_init__(self) -> None:
        for name in ("low", "high", "voxel"):
            ends = getattr(self, name)
            if len(ends) != 3 or not all(isinstance(end, int | float) and math.isfinite(end) for end in ends):
                raise BadInput(f"grid: {name} {ends} is not three numbers, of x, y and z")
        for axis, low, high, size in zip("xyz", self.low, self.high, self.voxel):
            cells = (high - low) / size if size > 0 else 0.0
            if cells < 1 or abs(cells - round(cells)) > 1e-6 * cells:
                raise BadInput(
                    f"grid along {axis}: {low} to {high} m is not a whole number of voxels of {size} m; "
                    f"say {low + max(1, round(cells)) * max(size, 0.05):g} m as its end"
                )
        if self.voxel[0] != self.voxel[1]:
            raise BadInput(
                f"grid: voxels of {self.voxel[0]} by {self.voxel[1]} m; BEV cells are squares, so say one size for x and y"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of voxels along z, y, x."""
        x, y, z = (round((h - lo) / s) for lo, h, s in zip(self.low, self.high, self.voxel))
        return z, y, x

    def cells(self, stride: int) -> tuple[int, int]:
        """Return the number of BEV cells along y, x at a stride in voxels."""
        _, y, x = self.shape
        return y // stride, x // stride

    def cell_m(self, stride: int) -> float:
        """Return the size of a BEV cell along x, metres."""
        return self.voxel[0] * stride
