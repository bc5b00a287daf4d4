"""From a street to points: rays cast, returns too faint to see dropped, ranges measured with noise, intensities read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from effbench.lidar.scene.ground import ALBEDO
from effbench.lidar.scene.profiles import SENSOR_HEIGHT_M
from effbench.lidar.scene.raycast import NEVER, cast_ground, cast_solids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from effbench.lidar.scene.ground import Ground
    from effbench.lidar.scene.profiles import SensorProfile

GROUND, NOTHING = -1, -2
"""What a ray hit where it hit no solid."""

NEAREST_GROUND_M, FARTHEST_GROUND_M = 1.5, 90.0
"""Between which distances the ground is looked up: from inside the sensor's blind spot to where grazing rays fade."""


DIM_SHARE = 0.2
"""Share of returns read darker than their material: KITTI's lowest tenth of intensities is at or near zero."""


@dataclass(frozen=True)
class Sweep:
    """Rays of one turn: way ``[R, C]`` in metres (infinite without a hit), what was hit, and how.

    ``hit`` is the solid's number, GROUND or NOTHING; ``meets`` counts for every object the rays that it alone would stop.
    """

    way: NDArray[np.float64]
    hit: NDArray[np.int64]
    incidence: NDArray[np.float64]
    zones: NDArray[np.int64]
    meets: NDArray[np.int64]


def ground_distances() -> NDArray[np.float64]:
    """Return the distances at which the ground is looked up: 0.6 % apart, 4 cm more near the sensor."""
    distances = [NEAREST_GROUND_M]
    while distances[-1] < FARTHEST_GROUND_M:
        distances.append(distances[-1] * 1.006 + 0.04)
    return np.array(distances)


def sweep(
    ground: Ground, solids: NDArray[np.float64], objects: int, profile: SensorProfile, rng: np.random.Generator
) -> Sweep:
    """Cast all rays of a profile's view into a street.

    Args:
        ground: below the sensor and around.
        solids: ``[K, 18]`` of ``Solids.table``.
        objects: how many objects the solids are numbered by.
        profile: which sensor.
        rng: of roughness, glass and leaves.
    """
    elevations, azimuths = profile.directions
    distances = ground_distances()
    way = np.full(azimuths.shape, NEVER)
    zones = np.zeros(azimuths.shape, np.int64)
    grain = rng.random((azimuths.shape[1], len(distances)))
    cast_ground(ground.row(), SENSOR_HEIGHT_M, elevations, azimuths, distances, grain, way, zones)
    hit = np.where(np.isfinite(way), GROUND, NOTHING)
    incidence = np.where(np.isfinite(way), SENSOR_HEIGHT_M / np.where(np.isfinite(way), way, 1.0), 1.0)
    meets = np.zeros(objects, np.int64)
    step = np.radians(profile.azimuth_step_deg)
    cast_solids(solids, elevations, azimuths, step, int(rng.integers(2**31)), way, hit, incidence, meets)
    return Sweep(way, hit, incidence, zones, meets)


def returns(
    swept: Sweep, solids: NDArray[np.float64], profile: SensorProfile, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return the points ``[N, 4]`` that the sensor reports and, for each, its object (-1 the surroundings) and its ray.

    A return is seen with chance 1 - exp(-signal / faintest), where signal is albedo x cosine / range squared, and less 1 to
    5 % lost anywhere. Intensity is what the sensor reports after correcting for range: albedo x a power of the cosine.
    """
    elevations, azimuths = profile.directions
    solid = swept.hit >= 0
    number = np.where(solid, swept.hit, 0)
    albedo = np.where(solid, solids[number, 14] if len(solids) else 0.0, ALBEDO[swept.zones])
    owner = np.where(solid, solids[number, 15] if len(solids) else -1.0, -1.0).astype(np.int64)
    reached = (swept.hit != NOTHING) & (swept.way < profile.reach_m)
    way = np.where(reached, swept.way, 1.0)
    signal = albedo * np.clip(swept.incidence, 0.02, 1.0) / way**2
    lost = float(rng.uniform(0.01, 0.05))
    kept = (1 - lost) * (1 - np.where(solid, solids[number, 17] if len(solids) else 0.0, 0.0))
    seen = reached & (rng.random(way.shape) < kept * -np.expm1(-signal / profile.faintest))
    measured = way + rng.normal(0, profile.noise_m, way.shape)
    bright = (
        albedo * np.clip(swept.incidence, 0.0, 1.0) ** np.where(solid, 0.4, 0.08) * rng.lognormal(0, 0.28, way.shape)
    )
    bright *= np.where(rng.random(way.shape) < DIM_SHARE, rng.uniform(0, 0.5, way.shape), 1.0)
    flat = measured * np.cos(elevations)[:, None]
    places = (flat * np.cos(azimuths), flat * np.sin(azimuths), measured * np.sin(elevations)[:, None])
    points = np.stack([*(np.round(axis, 3) for axis in places), np.round(np.clip(bright, 0, 0.99), 2)], -1)
    return points[seen].astype(np.float32), owner[seen], np.flatnonzero(seen)
