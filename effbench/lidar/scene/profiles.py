"""The two sensors that scenes are swept with: where their beams point, how often they fire, how well they measure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from effbench.errors import BadInput, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

SENSOR_HEIGHT_M = 1.73
"""Height of the sensor over the road, as on KITTI's car."""

FIELD_OF_VIEW_DEG = 90.0
"""Width of the view ahead that is simulated: a little more than the 81 degrees of KITTI's camera."""


@dataclass(frozen=True)
class SensorProfile:
    """One spinning LiDAR.

    Args:
        name: what users call it by.
        elevations_deg: beams from the highest to the lowest, degrees over the horizon.
        azimuth_step_deg: turn between two firings of one beam.
        noise_m: standard deviation of a measured range, metres.
        reach_m: largest range, metres.
        faintest: the signal (albedo x cosine of incidence / range squared) that one return in 1 - 1/e is had from.
    """

    name: str
    elevations_deg: tuple[float, ...]
    azimuth_step_deg: float
    noise_m: float = 0.02
    reach_m: float = 110.0
    faintest: float = 4e-6

    @cached_property
    def directions(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Elevations ``[R]`` and azimuths ``[R, C]`` of all rays of the view, radians; columns from right to left.

        Beams fire one after another, so every one has its own offset within a step, by the golden ratio: no two beams
        share it, as none do in a real head.
        """
        columns = round(FIELD_OF_VIEW_DEG / self.azimuth_step_deg)
        offsets = (np.arange(len(self.elevations_deg)) * 0.6180339887498949) % 1.0
        turns = (np.arange(columns)[None] + offsets[:, None]) * self.azimuth_step_deg - FIELD_OF_VIEW_DEG / 2
        return np.radians(np.array(self.elevations_deg)), np.radians(turns)


def _spread(first: float, last: float, beams: int) -> tuple[float, ...]:
    return tuple(round(float(angle), 4) for angle in np.linspace(first, last, beams))


PROFILES = {
    "64-beam": SensorProfile("64-beam", _spread(2.7, -7.6, 32) + _spread(-8.1, -23.9, 32), 0.168),
    "32-beam": SensorProfile("32-beam", _spread(10.67, -30.67, 32), 0.2),
}
"""64 beams as in KITTI's HDL-64E, its upper half 1/3 degree apart and its lower half 1/2; 32 beams as in nuScenes' HDL-32E.

The real 000000 of KITTI gives +2.8 to -7.6 and -8.3 to -23.6 degrees (medians over each ring), 538 returns of the lower
rings in 90 degrees. The
32-beam head turns at 10 Hz here, as KITTI's does, where nuScenes' turns at 20 Hz and steps twice as far.
"""


def profile_named(name: str) -> SensorProfile:
    """Return the profile of a name; ``BadInput`` where there is none."""
    if name not in PROFILES:
        raise BadInput(f"no LiDAR profile is named {name!r}{nearest(name, PROFILES)}")
    return PROFILES[name]
