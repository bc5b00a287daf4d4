"""What is to be detected, composed of solids: cars, vans, trucks, pedestrians, cyclists. Each knows its labelled box.

Sizes are those of SECOND's anchors with the spread of KITTI's labels. Shells stand a few centimetres
inside the box, as hand-drawn boxes leave them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from effbench.lidar.scene.solids import CYLINDER, ELLIPSOID, FRUSTUM

if TYPE_CHECKING:
    import numpy as np

    from effbench.lidar.scene.solids import Solids


@dataclass(frozen=True)
class Actor:
    """One labelled thing: its class, where it stands (ground level z, metres) and its box's sizes."""

    kind: str
    x: float
    y: float
    ground: float
    length: float
    width: float
    tall: float
    heading: float

    def box(self) -> tuple[float, float, float, float, float, float, float]:
        """Return x, y, z of the centre, length, width, height, heading."""
        return (self.x, self.y, self.ground + self.tall / 2, self.length, self.width, self.tall, self.heading)

    def at(self, ahead: float, left: float) -> tuple[float, float]:
        """Return x, y of a place given in the thing's own frame."""
        cos, sin = math.cos(self.heading), math.sin(self.heading)
        return self.x + cos * ahead - sin * left, self.y + sin * ahead + cos * left


def spread(rng: np.random.Generator, mean: float, deviation: float, least: float, most: float) -> float:
    """Return a normal number held between two bounds."""
    return float(min(most, max(least, rng.normal(mean, deviation))))


def sizes_of(kind: str, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return length, width, height of one thing of a class, metres."""
    if kind == "Car":
        return (
            spread(rng, 3.9, 0.42, 3.1, 5.0),
            spread(rng, 1.63, 0.10, 1.42, 1.9),
            spread(rng, 1.53, 0.13, 1.3, 1.95),
        )
    if kind == "Van":
        return spread(rng, 5.1, 0.5, 4.2, 6.2), spread(rng, 1.9, 0.12, 1.7, 2.2), spread(rng, 2.2, 0.25, 1.9, 2.8)
    if kind == "Truck":
        return spread(rng, 9.5, 2.0, 6.0, 13.0), spread(rng, 2.55, 0.15, 2.2, 2.8), spread(rng, 3.2, 0.3, 2.7, 3.8)
    if kind == "Pedestrian":
        return spread(rng, 0.84, 0.2, 0.5, 1.2), spread(rng, 0.64, 0.1, 0.45, 0.9), spread(rng, 1.75, 0.11, 1.35, 2.0)
    return spread(rng, 1.76, 0.15, 1.4, 2.05), spread(rng, 0.6, 0.1, 0.45, 0.85), spread(rng, 1.73, 0.11, 1.5, 1.95)


def compose(actor: Actor, thing: int, solids: Solids, rng: np.random.Generator) -> None:
    """Add a thing's solids under its number."""
    if actor.kind == "Car":
        car(actor, thing, solids, rng)
    elif actor.kind in ("Van", "Truck"):
        high_vehicle(actor, thing, solids, rng)
    elif actor.kind == "Pedestrian":
        pedestrian(actor, thing, solids, rng)
    else:
        cyclist(actor, thing, solids, rng)


def paint(rng: np.random.Generator) -> float:
    """Return a car body's albedo: one in four is dark and sends little back."""
    return float(rng.uniform(0.04, 0.12) if rng.random() < 0.25 else rng.uniform(0.25, 0.75))


def wheels(actor: Actor, thing: int, solids: Solids, length: float, width: float) -> None:
    """Add four wheels: short flat frusta that reach to the ground."""
    for ahead in (0.32, -0.30):
        for left in (0.5, -0.5):
            x, y = actor.at(ahead * length, left * (width - 0.24))
            tyre = (0.62, 0.2, 0.62)
            solids.add(FRUSTUM, x, y, actor.ground, tyre, actor.heading, lean=(0.1, 0.1, 0), albedo=0.1, thing=thing)


def car(actor: Actor, thing: int, solids: Solids, rng: np.random.Generator) -> None:
    """Body over wheels, bonnet in front of a cabin whose glass lets half of the rays through; hatchback, saloon or estate."""
    length, width, tall, albedo = actor.length - 0.08, actor.width - 0.06, actor.tall, paint(rng)
    lost = float(rng.uniform(0.1, 0.55))
    floor, belt = rng.uniform(0.17, 0.24), tall * rng.uniform(0.56, 0.62)
    body = (length, width, belt - floor)
    turn = actor.heading
    solids.add(
        FRUSTUM,
        actor.x,
        actor.y,
        actor.ground + floor,
        body,
        turn,
        lean=(0.18, 0.1, 0.04),
        albedo=albedo,
        thing=thing,
        lost=lost,
    )
    wheels(actor, thing, solids, length, width)
    front = length * rng.uniform(0.14, 0.24)  # from the centre to the foot of the windscreen
    style = rng.random()
    back = length * (0.47 if style < 0.55 else rng.uniform(0.28, 0.36))
    rise = tall - belt - 0.02
    middle, cabin = (front - back) / 2, (front + back, width * 0.94, rise)
    lean = (1.3, 0.35 if style < 0.55 else 1.0, 0.28)
    x, y = actor.at(middle, 0.0)
    level = actor.ground + belt
    solids.add(FRUSTUM, x, y, level, cabin, turn, lean=lean, albedo=0.15, through=0.45, thing=thing, lost=lost)
    roof = (max(0.6, front + back - (1.3 + lean[1]) * rise + 0.1), width * 0.94 - 0.5 * rise, 0.09)
    x, y = actor.at(middle + (lean[1] - 1.3) * rise / 2, 0.0)
    solids.add(FRUSTUM, x, y, actor.ground + tall - 0.11, roof, turn, albedo=albedo, thing=thing, lost=lost)
    if rng.random() < 0.7:  # seats and heads, what is seen through the glass
        x, y = actor.at(middle - 0.2, 0.0)
        seats = (0.5, width * 0.7, rise * 0.8)
        solids.add(FRUSTUM, x, y, actor.ground + belt, seats, actor.heading, albedo=0.2, through=0.3, thing=thing)
    for end in (0.5, -0.5):
        x, y = actor.at(end * (length + 0.02), 0.0)
        solids.add(FRUSTUM, x, y, actor.ground + 0.35, (0.03, 0.5, 0.13), actor.heading, albedo=0.95, thing=thing)


def high_vehicle(actor: Actor, thing: int, solids: Solids, rng: np.random.Generator) -> None:
    """A van: one tall body with a leaning front; a truck: cab and load apart."""
    length, width, albedo = actor.length - 0.08, actor.width - 0.06, float(rng.uniform(0.2, 0.8))
    wheels(actor, thing, solids, length, width)
    floor = 0.3 if actor.kind == "Van" else 0.7
    if actor.kind == "Van":
        body = (length, width, actor.tall - floor - 0.02)
        lean = (rng.uniform(0.25, 0.5), 0.02, 0.06)
        solids.add(
            FRUSTUM, actor.x, actor.y, actor.ground + floor, body, actor.heading, lean=lean, albedo=albedo, thing=thing
        )
        return
    cab, load = 2.0, length - 2.4
    x, y = actor.at(length / 2 - cab / 2, 0.0)
    front = (cab, width, actor.tall * 0.8 - 0.5)
    solids.add(FRUSTUM, x, y, actor.ground + 0.5, front, actor.heading, lean=(0.08, 0, 0), albedo=albedo, thing=thing)
    x, y = actor.at(load / 2 - length / 2, 0.0)
    solids.add(
        FRUSTUM,
        x,
        y,
        actor.ground + floor,
        (load, width, actor.tall - floor - 0.02),
        actor.heading,
        albedo=albedo,
        thing=thing,
    )


def torso(
    actor: Actor,
    thing: int,
    solids: Solids,
    place: tuple[float, float],
    between: tuple[float, float],
    wide: float,
    albedo: float,
) -> None:
    """Add a body between two heights, oval seen from above, and a head on it."""
    x, y = actor.at(*place)
    low, high = between
    solids.add(
        ELLIPSOID,
        x,
        y,
        actor.ground + low - 0.08,
        (0.3, wide, high - low + 0.14),
        actor.heading,
        albedo=albedo,
        thing=thing,
    )
    x, y = actor.at(place[0] + 0.04, place[1])
    head = actor.ground + actor.tall - 0.27
    solids.add(ELLIPSOID, x, y, head, (0.21, 0.18, 0.25), actor.heading, albedo=0.35, thing=thing)


def pedestrian(actor: Actor, thing: int, solids: Solids, rng: np.random.Generator) -> None:
    """Two legs in a stride as long as the box, a torso, a head, two arms; every fourth carries a bag."""
    hip, shoulder = actor.tall * 0.5, actor.tall * 0.83
    stride, apart, cloth = max(0.05, actor.length / 2 - 0.16), 0.09, float(rng.uniform(0.1, 0.7))
    trousers = float(rng.uniform(0.08, 0.5))
    swing = rng.choice((-1.0, 1.0))
    for side in (-1.0, 1.0):
        for share, bottom, top in ((0.75, 0.0, hip * 0.55), (0.3, hip * 0.5, hip + 0.05)):
            x, y = actor.at(side * swing * stride * share, side * apart)
            solids.add(
                CYLINDER,
                x,
                y,
                actor.ground + bottom,
                (0.16, 0.15, top - bottom),
                actor.heading,
                albedo=trousers,
                thing=thing,
            )
    shoulders = min(actor.width - 0.14, 0.48)
    torso(actor, thing, solids, (0.0, 0.0), (hip - 0.04, shoulder), shoulders, cloth)
    for side in (-1.0, 1.0):
        x, y = actor.at(-side * swing * stride * 0.45, side * (actor.width / 2 - 0.07))
        arm = (0.11, 0.1, shoulder - hip + 0.05)
        solids.add(CYLINDER, x, y, actor.ground + hip - 0.05, arm, actor.heading, albedo=cloth, thing=thing)
    if rng.random() < 0.25:
        x, y = actor.at(-0.2, 0.0)
        solids.add(FRUSTUM, x, y, actor.ground + hip + 0.1, (0.2, 0.3, 0.42), actor.heading, albedo=0.2, thing=thing)


def cyclist(actor: Actor, thing: int, solids: Solids, rng: np.random.Generator) -> None:
    """Two wheels and a frame that most rays pass, handlebars as wide as the box, legs, a leaning torso, a head."""
    cloth, reach = float(rng.uniform(0.1, 0.7)), actor.length / 2
    bicycle(actor, thing, solids)
    x, y = actor.at(reach - 0.55, 0.0)
    bars = (0.08, actor.width - 0.04, 0.06)
    solids.add(FRUSTUM, x, y, actor.ground + 0.98, bars, actor.heading, albedo=0.3, thing=thing)
    for side, foot in ((-1.0, rng.uniform(0.1, 0.4)), (1.0, rng.uniform(0.1, 0.4))):
        x, y = actor.at(0.0, side * 0.11)
        leg = (0.18, 0.14, 0.98 - foot)
        solids.add(CYLINDER, x, y, actor.ground + foot, leg, actor.heading, albedo=cloth * 0.8, thing=thing)
    shoulder = actor.tall * 0.85
    torso(actor, thing, solids, (-0.05, 0.0), (0.85, shoulder), min(actor.width - 0.1, 0.46), cloth)
    for side in (-1.0, 1.0):
        x, y = actor.at(reach / 2 - 0.22, side * (actor.width / 2 - 0.1))
        arm = (reach * 0.45, 0.1, 0.3)
        solids.add(FRUSTUM, x, y, actor.ground + 1.02, arm, actor.heading, albedo=cloth, thing=thing)


def bicycle(actor: Actor, thing: int, solids: Solids) -> None:
    """Two thin discs and a frame that let most rays pass; parked ones have no rider and no label."""
    reach = actor.length / 2 - 0.36
    for end in (reach, -reach):
        x, y = actor.at(end, 0.0)
        solids.add(
            ELLIPSOID, x, y, actor.ground, (0.68, 0.05, 0.68), actor.heading, through=0.55, albedo=0.2, thing=thing
        )
    frame = (1.1, 0.06, 0.5)
    solids.add(
        FRUSTUM, actor.x, actor.y, actor.ground + 0.35, frame, actor.heading, through=0.6, albedo=0.35, thing=thing
    )
