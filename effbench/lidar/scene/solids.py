"""The convex solids that scenes are composed of, as rows of numbers for compiled code, and their list."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from effbench.arrays import Array

FRUSTUM, CYLINDER, ELLIPSOID = 0.0, 1.0, 2.0
"""Kinds of solid: a box whose sides may lean inwards, a standing elliptic cylinder, an ellipsoid."""

COLUMNS = 18
"""Numbers of one solid, in the order of ``Solids.add``."""


@dataclass
class Solids:
    """Solids of a scene. Those of one object stand next to each other, since visibility is counted object by object."""

    rows: list[tuple[float, ...]] = field(default_factory=list)
    made_of: list[str] = field(default_factory=list)
    """Of each, what a point on it is said to lie on; of an object's parts the object says it."""

    def add(
        self,
        kind: float,
        x: float,
        y: float,
        base: float,
        sizes: tuple[float, float, float],
        heading: float = 0.0,
        *,
        lean: tuple[float, float, float] = (0.0, 0.0, 0.0),
        density: float = 0.0,
        through: float = 0.0,
        albedo: float = 0.4,
        thing: int = -1,
        front: int = 0,
        lost: float = 0.0,
        made_of: str = "other",
    ) -> None:
        """Add one solid.

        Args:
            kind: FRUSTUM, CYLINDER or ELLIPSOID.
            x: of its centre, metres.
            y: of its centre, metres.
            base: z of its lowest point, metres over the sensor.
            sizes: full length along its heading, width and height, metres.
            heading: radians from x towards y.
            lean: how far front, back and both sides of a frustum move inwards per metre of height.
            density: chance per metre of way that a ray is stopped inside; 0 is solid.
            through: chance that a ray passes as if the solid were not there (glass, wire).
            albedo: share of light sent back, 0 to 1.
            thing: number of the object it is part of; -1 for the surroundings.
            front: 1 for a house front with windows.
            lost: share of its returns that never come back, as from paint that mirrors.
            made_of: what it is, of ``frames.SURROUNDINGS``, where it is no part of an object.
        """
        length, width, tall = sizes
        place = (kind, x, y, base, length / 2, width / 2, tall, math.cos(heading), math.sin(heading))
        self.made_of.append(made_of)
        self.rows.append((*place, *lean, density, through, albedo, float(thing), float(front), lost))

    def table(self) -> Array:
        """Return float64 ``[K, COLUMNS]``."""
        return np.array(self.rows, np.float64).reshape(-1, COLUMNS)
