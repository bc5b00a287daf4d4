"""A street laid out by chance: the road, what stands along it, who is on it. Everything from one random stream."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from effbench.lidar.scene.actors import Actor, compose, sizes_of
from effbench.lidar.scene.ground import Ground, height
from effbench.lidar.scene.profiles import SENSOR_HEIGHT_M
from effbench.lidar.scene.solids import Solids
from effbench.lidar.scene.surroundings import DECOYS, decoy, fence, hedge, house, pole, shrub, tree

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Street:
    """What one kind of street is like: ranges that chance draws from, metres, shares, mean counts."""

    half_width: tuple[float, float]
    pavement: tuple[float, float]
    setback: tuple[float, float]
    parked: float
    driving: float
    walking: float
    cycling: float
    built: float
    green: float
    bank: float


STREETS = {
    "residential": Street((3.0, 4.5), (1.2, 3.0), (0.2, 3.0), 0.45, 1.3, 1.7, 0.9, 0.85, 0.4, 0.02),
    "town": Street((4.0, 7.0), (2.0, 5.0), (0.0, 1.0), 0.4, 2.0, 4.0, 1.7, 0.97, 0.1, 0.0),
    "road": Street((4.0, 8.0), (0.5, 2.0), (3.0, 14.0), 0.0, 3.4, 0.6, 0.8, 0.3, 0.6, 0.12),
    "campus": Street((2.5, 4.0), (3.0, 8.0), (0.5, 5.0), 0.15, 0.7, 4.5, 2.3, 0.85, 0.4, 0.03),
}
"""Four kinds, after those that KITTI drove through; counts give well over 41 objects a class in 60 frames."""

SHARES = (0.42, 0.28, 0.15, 0.15)
"""How often each kind of ``STREETS`` is drawn."""

FARTHEST_M = 85.0
"""How far ahead a street is furnished: past the detectors' range, so that its end is not a hole."""


@dataclass
class StreetLayout:
    """A street being built: solids, actors, and the footprints that keep things apart."""

    rng: np.random.Generator
    ground: Ground
    street: Street
    kind: str
    solids: Solids = field(default_factory=Solids)
    actors: list[Actor] = field(default_factory=list)
    taken: list[tuple[float, float, float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.row = self.ground.row()

    def level(self, x: float, y: float) -> float:
        """Return z of the ground at a place, metres over the sensor."""
        return float(height(self.row, x, y)) - SENSOR_HEIGHT_M

    def place(self, along: float, side: float) -> tuple[float, float, float]:
        """Return x, y and heading of the road at a place ``side`` metres left of its centre line."""
        turn = self.ground.direction(along)
        return along - math.sin(turn) * side, self.ground.centre(along) + math.cos(turn) * side, turn

    def free(self, x: float, y: float, length: float, width: float, heading: float, margin: float = 0.25) -> bool:
        """Return whether a footprint touches none that is taken; takes it where so."""
        if math.hypot(x, y) < 3.2 + length / 2:  # the sensor's own car
            return False
        new = (x, y, length / 2 + margin, width / 2 + margin, math.cos(heading), math.sin(heading))
        if any(overlap(new, other) for other in self.taken):
            return False
        self.taken.append(new)
        return True

    def populate(self, kind: str, x: float, y: float, heading: float) -> bool:
        """Add one actor if there is room; its class decides its sizes."""
        length, width, tall = sizes_of(kind, self.rng)
        if not self.free(x, y, length, width, heading, 0.3 if length > 2.5 else 0.15):
            return False
        actor = Actor(kind, x, y, self.level(x, y), length, width, tall, math.remainder(heading, 2 * math.pi))
        compose(actor, len(self.actors), self.solids, self.rng)
        self.actors.append(actor)
        return True

    def vehicle(self) -> str:
        """Return a class of vehicle: mostly cars."""
        return str(self.rng.choice(("Car", "Van", "Truck"), p=(0.91, 0.07, 0.02)))


def overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Return whether two rectangles (x, y, half length, half width, cos, sin of the heading) meet: separating axes."""
    dx, dy = other[0] - one[0], other[1] - one[1]
    if dx * dx + dy * dy > (math.hypot(one[2], one[3]) + math.hypot(other[2], other[3])) ** 2:
        return False
    cos, sin = abs(one[4] * other[4] + one[5] * other[5]), abs(one[4] * other[5] - one[5] * other[4])
    for own, its in ((one, other), (other, one)):
        along, aside = abs(dx * own[4] + dy * own[5]), abs(dy * own[4] - dx * own[5])
        if along > own[2] + its[2] * cos + its[3] * sin or aside > own[3] + its[2] * sin + its[3] * cos:
            return False
    return True


def draw_ground(kind: str, rng: np.random.Generator) -> Ground:
    """Draw the ground of one kind of street."""
    street = STREETS[kind]
    half = float(rng.uniform(*street.half_width))
    banks = rng.normal(0, street.bank, 2) if street.bank else (0.0, 0.0)
    crossing = rng.random() < 0.45
    return Ground(
        slope_x=float(rng.normal(0, 0.012)),
        slope_y=float(rng.normal(0, 0.012)),
        wave_height=float(rng.uniform(0, 0.25)),
        wave_x=float(rng.uniform(0.05, 0.16)),
        wave_y=float(rng.uniform(-0.1, 0.1)),
        wave_phase=float(rng.uniform(0, 2 * math.pi)),
        offset=float(rng.uniform(0.2, 0.6)) * half,
        lean=float(rng.normal(0, 0.04)),
        bend=float(rng.normal(0, 0.004)),
        half_width=half,
        kerb=float(rng.choice((0.0, 0.1, 0.15), p=(0.3, 0.4, 0.3))),
        pavement_left=float(rng.uniform(*street.pavement)),
        pavement_right=float(rng.uniform(*street.pavement)),
        bank_left=float(banks[0]),
        bank_right=float(banks[1]),
        crossing_x=float(rng.uniform(10, 45)) if crossing else -1000.0,
        crossing_half_width=float(rng.uniform(2.5, 5.0)) if crossing else 0.0,
        rough=float(rng.uniform(0.5, 1.8)),
    )


def lay_out(rng: np.random.Generator) -> StreetLayout:
    """Return a whole street: first who moves, then what is parked, then what stands around."""
    kind = str(rng.choice(tuple(STREETS), p=SHARES))
    layout = StreetLayout(rng, draw_ground(kind, rng), STREETS[kind], kind)
    traffic(layout)
    parking(layout)
    people(layout)
    for side in (1, -1):
        frontage(layout, side)
    furniture(layout)
    backdrop(layout)
    return layout


def traffic(layout: StreetLayout) -> None:
    """Put vehicles in the lanes of the road (right-hand traffic) and of the road that crosses it."""
    rng, ground = layout.rng, layout.ground
    lane = ground.half_width / 2
    for _ in range(rng.poisson(layout.street.driving)):
        onward = rng.random() < 0.5
        x, y, turn = layout.place(float(rng.uniform(5, 75)), (-lane if onward else lane) + float(rng.normal(0, 0.25)))
        layout.populate(layout.vehicle(), x, y, turn + (0.0 if onward else math.pi) + float(rng.normal(0, 0.03)))
    if ground.crossing_x > 0:
        for _ in range(rng.poisson(1.5)):
            left = rng.choice((-1.0, 1.0))
            far = float(rng.uniform(ground.half_width + 4, 32)) * rng.choice((-1.0, 1.0))
            x = ground.crossing_x - left * ground.crossing_half_width * 0.5
            y = ground.centre(x) + far
            layout.populate(layout.vehicle(), x, y, -left * math.pi / 2 + float(rng.normal(0, 0.08)))


def parking(layout: StreetLayout) -> None:
    """Fill some of the slots along both kerbs, or of a car park beside the road, where cars stand across it."""
    rng, ground = layout.rng, layout.ground
    for side in (1.0, -1.0):
        if rng.random() > layout.street.parked * 1.4:
            continue
        share, across = float(rng.uniform(0.15, 0.85)), rng.random() < 0.2
        along = float(rng.uniform(2, 8))
        facing = 0.0 if rng.random() < 0.75 else math.pi
        while along < 65:
            pitch = 2.7 if across else 6.1
            if (
                rng.random() < share * (0.6 if across else 1.0)
                and abs(along - ground.crossing_x) > ground.crossing_half_width + 5
            ):
                inset = 2.7 if across else 0.05
                edge = ground.half_width + (inset if across else -1.1)
                x, y, turn = layout.place(along, side * edge + float(rng.normal(0, 0.12)))
                heading = turn + (side * math.pi / 2 if across else (0.0 if side < 0 else math.pi) + facing)
                layout.populate(layout.vehicle(), x, y, heading + float(rng.normal(0, 0.04)))
            along += pitch + float(rng.exponential(0.6))


def people(layout: StreetLayout) -> None:
    """Put pedestrians on pavements, in groups of up to three, some crossing; cyclists at the road's edge or beside it."""
    rng, ground = layout.rng, layout.ground
    wide = {1.0: ground.pavement_left, -1.0: ground.pavement_right}
    for _ in range(rng.poisson(layout.street.walking)):
        side = float(rng.choice((-1.0, 1.0)))
        along = 4 + 44 * float(rng.random()) ** 1.2
        crosses = rng.random() < 0.15
        reach = float(rng.uniform(-1, 1)) * ground.half_width if crosses else 0.0
        offset = reach if crosses else side * (ground.half_width + float(rng.uniform(0.2, 1.0)) * wide[side])
        x, y, turn = layout.place(along, offset)
        heading = turn + float(rng.choice((0.0, math.pi))) + (math.pi / 2 if crosses else 0.0)
        if rng.random() < 0.2:
            heading = float(rng.uniform(-math.pi, math.pi))
        for _ in range(1 + int(rng.random() < 0.35) + int(rng.random() < 0.1)):
            layout.populate("Pedestrian", x, y, heading + float(rng.normal(0, 0.15)))
            x, y = x + float(rng.normal(0, 0.9)), y + float(rng.choice((-0.8, 0.8)))
    for _ in range(rng.poisson(layout.street.cycling)):
        side = float(rng.choice((-1.0, 1.0)))
        along = 4 + 44 * float(rng.random()) ** 1.1
        edge = ground.half_width + (-0.8 if rng.random() < 0.6 else float(rng.uniform(0.3, 1.0)) * wide[side])
        if layout.street.parked and rng.random() < 0.5:
            edge = ground.half_width - 2.6
        x, y, turn = layout.place(along, side * edge)
        backwards = math.pi if (side > 0) != (rng.random() < 0.2) else 0.0
        layout.populate("Cyclist", x, y, turn + backwards + float(rng.normal(0, 0.12)))


def furniture(layout: StreetLayout) -> None:
    """Put poles, trees and decoys on and beside the pavements."""
    rng, ground = layout.rng, layout.ground
    for side, wide in ((1.0, ground.pavement_left), (-1.0, ground.pavement_right)):
        along = float(rng.uniform(3, 20))
        while along < FARTHEST_M:
            x, y, turn = layout.place(along, side * (ground.half_width + 0.5))
            if layout.free(x, y, 0.3, 0.3, 0.0, 0.1):
                pole(layout.solids, x, y, layout.level(x, y), turn, rng)
            along += float(rng.uniform(8, 30))
        along = float(rng.uniform(3, 15))
        while along < FARTHEST_M and layout.street.green > 0.05:
            x, y, _ = layout.place(along, side * (ground.half_width + 0.7 + wide * float(rng.uniform(0, 1.5))))
            if layout.free(x, y, 0.6, 0.6, 0.0, 0.1):
                tree(layout.solids, x, y, layout.level(x, y), rng)
            along += float(rng.uniform(4, 30)) / (0.4 + layout.street.green)
    for _ in range(rng.poisson(5)):
        side = float(rng.choice((-1.0, 1.0)))
        wide = ground.pavement_left if side > 0 else ground.pavement_right
        x, y, turn = layout.place(
            float(rng.uniform(4, 50)), side * (ground.half_width + wide * float(rng.uniform(0.3, 1.6)))
        )
        kind = str(rng.choice(DECOYS))
        length = 3.5 if kind in ("skip", "trailer") else 1.5
        heading = turn + (float(rng.normal(0, 0.1)) if rng.random() < 0.7 else float(rng.uniform(0, math.pi)))
        if layout.free(x, y, length, 1.8 if length > 2 else 0.9, heading, 0.1):
            decoy(kind, layout.solids, x, y, layout.level(x, y), heading, rng)


def frontage(layout: StreetLayout, side: int) -> None:
    """Line one side of the street with houses, fences, hedges, shrubs or nothing, piece by piece."""
    rng, ground = layout.rng, layout.ground
    edge = ground.half_width + (ground.pavement_left if side > 0 else ground.pavement_right) + 0.4
    setback = float(rng.uniform(*layout.street.setback))
    along = -6.0
    while along < FARTHEST_M:
        length = float(rng.uniform(5, 20))
        middle = along + length / 2
        along += length + (float(rng.uniform(0, 4)) if rng.random() < 0.3 else 0.0)
        if abs(middle - ground.crossing_x) < ground.crossing_half_width + length / 2 + 1:
            continue
        if rng.random() < layout.street.built:
            deep = float(rng.uniform(6, 12))
            back = setback + float(rng.uniform(0, 1.5)) + deep / 2
            x, y, turn = layout.place(middle, side * (edge + back))
            if layout.free(x, y, length - 0.6, deep - 0.6, turn, 0.0):
                house(layout.solids, x, y, layout.level(x, y), (length, deep, float(rng.uniform(3, 11))), turn)
        draw = float(rng.random())
        x, y, turn = layout.place(middle, side * (edge + float(rng.uniform(0, 0.5))))
        if setback > 0.8 and draw < 0.95 and layout.free(x, y, length - 0.6, 0.5, turn, 0.0):
            level = layout.level(x, y)
            if draw < 0.55:
                fence(layout.solids, x, y, level, length, turn, rng)
            elif draw < 0.55 + 0.8 * layout.street.green:
                hedge(layout.solids, x, y, level, length, turn, rng)
        if setback > 2.0:
            for _ in range(rng.poisson(2.2 * layout.street.green)):
                depth = edge + float(rng.uniform(0.5, setback + 6))
                x, y, _ = layout.place(middle + float(rng.normal(0, 5)), side * depth)
                if layout.free(x, y, 1.0, 1.0, 0.0, 0.0):
                    shrub(layout.solids, x, y, layout.level(x, y), rng, float(rng.uniform(0.6, 3.2)))


def backdrop(layout: StreetLayout) -> None:
    """Close the view with what stands far off: trees, thickets, houses, beyond the frontage and at the street's end."""
    rng, ground = layout.rng, layout.ground
    for _ in range(rng.poisson(12)):
        along = float(rng.uniform(10, 100))
        side = float(rng.choice((-1.0, 1.0))) * float(rng.uniform(ground.half_width + 8, 45))
        x, y, turn = layout.place(along, side)
        if not layout.free(x, y, 4.0, 4.0, turn, 0.0):
            continue
        if rng.random() < 0.3:
            house(
                layout.solids,
                x,
                y,
                layout.level(x, y),
                (float(rng.uniform(8, 20)), 9.0, float(rng.uniform(3, 9))),
                turn,
            )
        elif rng.random() < 0.5:
            tree(layout.solids, x, y, layout.level(x, y), rng)
        else:
            shrub(layout.solids, x, y, layout.level(x, y), rng, float(rng.uniform(2, 6)))
