"""First hits of all rays of a sweep: the ground column by column, then every solid within the rays that can meet it.

All rays start at the sensor, so a sweep is a picture in angles: a solid touches a window of it only, and the ground is met
in the order of its slope seen from the sensor. A frame costs what it shows, not rays times solids.
"""

from __future__ import annotations

import numpy as np

from effbench.arrays import Array
from effbench.compiled import njit
from effbench.lidar.scene.ground import ROUGHNESS_M, height, zone

NEVER = np.inf
"""Distance of a ray that meets nothing."""


@njit(cache=True)
def chance(seed: int, ray: int, solid: int) -> float:  # pragma: no cover - compiled
    """Return a number in [0, 1) that depends on its three whole numbers alone (splitmix64's finaliser)."""
    state = (
        np.uint64(seed)
        + np.uint64(ray) * np.uint64(0x9E3779B97F4A7C15)
        + np.uint64(solid) * np.uint64(0xD1B54A32D192ED03)
    )
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((state ^ (state >> np.uint64(31))) >> np.uint64(11)) / 9007199254740992.0


@njit(cache=True)
def meet(solid: Array, dx: float, dy: float, dz: float) -> tuple[float, float, float]:  # pragma: no cover - compiled
    """Return (way in, way out, cosine of incidence) of a ray from the sensor through a solid; way in > way out is a miss.

    A frustum is the space between six half-spaces n . p <= d in its own frame, with z from its base: the ray is clipped at
    each. Cylinder and ellipsoid are quadratic in the way; a cylinder is clipped at its caps besides.
    """
    cos, sin = solid[7], solid[8]
    ox = -(cos * solid[1] + sin * solid[2])
    oy = -(cos * solid[2] - sin * solid[1])
    oz = -solid[3]
    rx, ry = cos * dx + sin * dy, cos * dy - sin * dx
    a, b, h = solid[4], solid[5], solid[6]
    enter, leave, incidence = 0.0, NEVER, 1.0
    if solid[0] == 2.0:
        half = h / 2
        ux, uy, uz = rx / a, ry / b, dz / half
        vx, vy, vz = ox / a, oy / b, (oz - half) / half
        square, mixed, rest = (
            ux * ux + uy * uy + uz * uz,
            ux * vx + uy * vy + uz * vz,
            vx * vx + vy * vy + vz * vz - 1.0,
        )
        inner = mixed * mixed - square * rest
        if inner <= 0:
            return NEVER, 0.0, 1.0
        root = np.sqrt(inner)
        enter, leave = max(0.0, (-mixed - root) / square), (-mixed + root) / square
        nx, ny, nz = (vx + enter * ux) / a, (vy + enter * uy) / b, (vz + enter * uz) / half
        incidence = abs(nx * rx + ny * ry + nz * dz) / np.sqrt(nx * nx + ny * ny + nz * nz)
        return enter, leave, incidence
    for face in range(6):
        if face == 0:
            nx, ny, nz, d = 0.0, 0.0, -1.0, 0.0
        elif face == 1:
            nx, ny, nz, d = 0.0, 0.0, 1.0, h
        elif solid[0] == 1.0:
            break
        elif face == 2:
            nx, ny, nz, d = 1.0, 0.0, solid[9], a
        elif face == 3:
            nx, ny, nz, d = -1.0, 0.0, solid[10], a
        elif face == 4:
            nx, ny, nz, d = 0.0, 1.0, solid[11], b
        else:
            nx, ny, nz, d = 0.0, -1.0, solid[11], b
        speed = nx * rx + ny * ry + nz * dz
        room = d - (nx * ox + ny * oy + nz * oz)
        if speed < 0:
            if room / speed > enter:
                enter, incidence = room / speed, -speed / np.sqrt(nx * nx + ny * ny + nz * nz)
        elif speed > 0:
            leave = min(leave, room / speed)
        elif room < 0:
            return NEVER, 0.0, 1.0
    if solid[0] == 1.0:
        ux, uy, vx, vy = rx / a, ry / b, ox / a, oy / b
        square, mixed, rest = ux * ux + uy * uy, ux * vx + uy * vy, vx * vx + vy * vy - 1.0
        inner = mixed * mixed - square * rest
        if inner <= 0 or square == 0:
            return NEVER, 0.0, 1.0
        root = np.sqrt(inner)
        near = (-mixed - root) / square
        leave = min(leave, (-mixed + root) / square)
        if near > enter:
            enter = near
            nx, ny = (vx + near * ux) / a, (vy + near * uy) / b
            incidence = abs(nx * rx + ny * ry) / np.sqrt(nx * nx + ny * ny)
    return enter, leave, incidence


@njit(cache=True)
def window(
    solid: Array, elevations: Array, first_azimuth: float, step: float, columns: int
) -> tuple[int, int, int, int]:  # pragma: no cover - compiled
    """Return rows and columns [top, bottom), [right, left) of the rays that can meet a solid."""
    cos, sin, a, b = solid[7], solid[8], solid[4], solid[5]
    ox, oy = -(cos * solid[1] + sin * solid[2]), -(cos * solid[2] - sin * solid[1])
    aside, along = max(abs(oy) - b, 0.0), max(abs(ox) - a, 0.0)
    near = np.sqrt(aside * aside + along * along)
    far = np.sqrt((abs(ox) + a) ** 2 + (abs(oy) + b) ** 2)
    low, high = solid[3], solid[3] + solid[6]
    if near < 0.05:
        return 0, len(elevations), 0, columns
    highest = np.arctan2(high, near if high > 0 else far) + 1e-6
    lowest = np.arctan2(low, near if low < 0 else far) - 1e-6
    top, bottom = 0, len(elevations)
    while top < bottom and elevations[top] > highest:
        top += 1
    while bottom > top and elevations[bottom - 1] < lowest:
        bottom -= 1
    middle = np.arctan2(solid[2], solid[1])
    least, most = 0.0, 0.0
    for corner in range(4):
        cx = a if corner % 2 else -a
        cy = b if corner // 2 else -b
        turn = np.arctan2(solid[2] + sin * cx + cos * cy, solid[1] + cos * cx - sin * cy) - middle
        turn -= 2 * np.pi * np.round(turn / (2 * np.pi))
        least, most = min(least, turn), max(most, turn)
    right = int(np.floor((middle + least - first_azimuth) / step)) - 1
    left = int(np.ceil((middle + most - first_azimuth) / step)) + 1
    return top, bottom, max(0, right), min(columns, left)


@njit(cache=True)
def cast_ground(
    ground: Array,
    sensor_height: float,
    elevations: Array,
    azimuths: Array,
    distances: Array,
    roughness: Array,
    way: Array,
    zones: Array,
) -> None:  # pragma: no cover - compiled
    """Write the way to the ground ``[R, C]`` and what it is made of there.

    Args:
        ground: ``Ground.row()``.
        sensor_height: of the sensor over the ground below it, metres.
        elevations: ``[R]`` from the highest to the lowest, radians.
        azimuths: ``[R, C]``, radians.
        distances: ``[K]`` ascending horizontal distances at which the ground is looked up; straight in between.
        roughness: ``[C, K]`` in [0, 1), what grass and grain add at each place.
        way: ``[R, C]``, filled; left where a ray meets no ground.
        zones: ``[R, C]``, filled.
    """
    rows, columns = azimuths.shape
    rises = np.tan(elevations)
    for column in range(columns):
        turn = azimuths[rows // 2, column]
        cos, sin = np.cos(turn), np.sin(turn)
        row, before, seen_before = rows - 1, 0.0, -NEVER
        for step in range(len(distances)):
            r = distances[step]
            x, y = r * cos, r * sin
            made_of = zone(ground, x, y)
            z = height(ground, x, y) - sensor_height + ROUGHNESS_M[made_of] * ground[17] * roughness[column, step]
            seen = z / r
            while row >= 0 and rises[row] < seen:
                where = r
                if step > 0 and seen_before <= rises[row]:
                    past = distances[step - 1]
                    slope = (z - before) / (r - past)
                    where = past + (rises[row] * past - before) / (slope - rises[row])
                way[row, column] = where / np.cos(elevations[row])
                zones[row, column] = made_of
                row -= 1
            if row < 0:
                break
            before, seen_before = z, seen


@njit(cache=True)
def cast_solids(
    solids: Array,
    elevations: Array,
    azimuths: Array,
    step: float,
    seed: int,
    way: Array,
    hit: Array,
    incidence: Array,
    meets: Array,
) -> None:  # pragma: no cover - compiled
    """Shorten the way of every ray to the first solid that stops it.

    Args:
        solids: ``[K, 18]`` of ``Solids.table``.
        elevations: ``[R]`` from the highest to the lowest, radians.
        azimuths: ``[R, C]``, radians; row 0 starts at the view's right edge and every row within a step of it.
        step: between columns, radians.
        seed: of the chances of porous solids and glass.
        way: ``[R, C]``, metres, updated.
        hit: int64 ``[R, C]``, number of the solid, updated; others keep what they had.
        incidence: ``[R, C]``, cosine at the hit, updated.
        meets: int64 ``[objects]``: rays that each object would stop if it stood alone; added to.
    """
    rows, columns = azimuths.shape
    stamp = np.full((rows, columns), -1, np.int64)
    for number in range(len(solids)):
        solid = solids[number]
        thing = int(solid[15])
        top, bottom, right, left = window(solid, elevations, azimuths[0, 0], step, columns)
        for row in range(top, bottom):
            flat, dz = np.cos(elevations[row]), np.sin(elevations[row])
            for column in range(right, left):
                turn = azimuths[row, column]
                enter, leave, cosine = meet(solid, flat * np.cos(turn), flat * np.sin(turn), dz)
                if enter >= leave or enter <= 0.05:
                    continue
                ray = row * columns + column
                if solid[13] > 0 and chance(seed, ray, 2 * number) < solid[13]:
                    continue
                if solid[12] > 0:
                    enter -= np.log(1.0 - chance(seed, ray, 2 * number + 1)) / solid[12]
                    cosine = 0.6
                    if enter >= leave:
                        continue
                if solid[16] > 0:  # windows every 2.6 m along the front and 2.8 m up: most rays are lost in them
                    ahead, aside = enter * flat * np.cos(turn) - solid[1], enter * flat * np.sin(turn) - solid[2]
                    along = solid[7] * ahead + solid[8] * aside
                    if (
                        (along % 2.6) < 1.2
                        and 0.9 < (enter * dz - solid[3]) % 2.8 < 2.2
                        and chance(seed, ray, number) < 0.6
                    ):
                        continue
                if thing >= 0 and stamp[row, column] != thing:
                    stamp[row, column] = thing
                    meets[thing] += 1
                if enter < way[row, column]:
                    way[row, column], hit[row, column], incidence[row, column] = enter, number, cosine
