"""The ground under a scene: a sloped, rolling plane with a road in it, kerbs, pavements and rough land beside them."""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit

ROAD, PAVEMENT, LAND = 0, 1, 2
"""What the ground is made of at a place, as ``zone`` says it; positions in ``ROUGHNESS_M`` and ``ALBEDO`` too."""

ROUGHNESS_M = np.array([0.006, 0.01, 0.06])
"""How far grains, slabs and grass stand out of the even ground, metres."""

ALBEDO = np.array([0.30, 0.36, 0.34])
"""Share of light sent back by asphalt, slabs, grass; calibrated to the middle of the intensities of real KITTI ground."""

KERB_WIDTH_M = 0.12
"""Width over which a kerb rises; narrower than a voxel, so that a wall of it is seen from the side."""

BANK_RISE_M = 2.5
"""Most that land rises or falls beside the road, metres."""


@dataclass(frozen=True)
class Ground:
    """Shape of the ground; lengths in metres, x ahead and y left of the sensor, s = y - centre line of the road at x.

    The road's centre line is ``offset + lean * x + bend * x**2 / 2``.
    """

    slope_x: float = 0.0
    slope_y: float = 0.0
    wave_height: float = 0.0
    wave_x: float = 0.1
    wave_y: float = 0.07
    wave_phase: float = 0.0
    offset: float = 0.0
    lean: float = 0.0
    bend: float = 0.0
    half_width: float = 4.0
    kerb: float = 0.0
    pavement_left: float = 2.0
    pavement_right: float = 2.0
    bank_left: float = 0.0
    bank_right: float = 0.0
    crossing_x: float = -1000.0
    crossing_half_width: float = 0.0
    rough: float = 1.0

    def row(self) -> Array:
        """Return the fields as the float64 ``[18]`` that compiled code takes."""
        return np.array(astuple(self), np.float64)

    def centre(self, x: float) -> float:
        """Return y of the road's centre line."""
        return self.offset + self.lean * x + self.bend * x * x / 2

    def direction(self, x: float) -> float:
        """Return the heading of the road in radians."""
        return float(np.arctan(self.lean + self.bend * x))


@njit(cache=True)
def zone(ground: Array, x: float, y: float) -> int:  # pragma: no cover - compiled
    """Return what the ground is made of at a place: ROAD, PAVEMENT or LAND."""
    if abs(x - ground[15]) < ground[16]:
        return ROAD
    side = y - (ground[6] + ground[7] * x + ground[8] * x * x / 2)
    beyond = abs(side) - ground[9]
    if beyond < 0:
        return ROAD
    return PAVEMENT if beyond < (ground[11] if side > 0 else ground[12]) else LAND


@njit(cache=True)
def height(ground: Array, x: float, y: float) -> float:  # pragma: no cover - compiled
    """Return the ground's height over that under the sensor, metres, without its roughness.

    Heights are those of the plane and its wave, plus kerb and bank by the distance from the road's edge; a crossing road
    has neither.
    """
    rolled: float = ground[0] * x + ground[1] * y
    rolled += ground[2] * (np.sin(ground[3] * x + ground[4] * y + ground[5]) - np.sin(ground[5]))
    side = y - (ground[6] + ground[7] * x + ground[8] * x * x / 2)
    beyond = abs(side) - ground[9]
    if beyond <= 0:
        return rolled
    raised = ground[10] * min(1.0, beyond / KERB_WIDTH_M)
    pavement, bank = (ground[11], ground[13]) if side > 0 else (ground[12], ground[14])
    if beyond > pavement:
        raised += max(-BANK_RISE_M, min(BANK_RISE_M, bank * (beyond - pavement)))
    aside = abs(x - ground[15]) - ground[16]
    if aside < 2.0:
        raised *= max(0.0, aside / 2.0)
    return rolled + raised
