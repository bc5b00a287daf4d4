"""What is not to be detected: houses, fences, hedges, trees, poles, and things that look like what is (hard negatives)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from effbench.lidar.scene.actors import Actor, bicycle
from effbench.lidar.scene.solids import CYLINDER, ELLIPSOID, FRUSTUM

if TYPE_CHECKING:
    import numpy as np

    from effbench.lidar.scene.solids import Solids

LEAF_ALBEDO = 0.38
"""Share of light that leaves send back, as far as KITTI's intensities of hedges tell."""

DECOYS = ("bin", "skip", "column", "bollard", "cabinet", "shrub", "bicycle", "bench", "trailer", "pallet", "stele")
"""Unlabelled things of about the size of labelled ones."""


def house(solids: Solids, x: float, y: float, ground: float, sizes: tuple[float, float, float], heading: float) -> None:
    """Add a block with windows; its footing reaches below the ground, which may slope."""
    length, deep, tall = sizes
    wall = (length, deep, tall + 1.0)
    solids.add(FRUSTUM, x, y, ground - 1.0, wall, heading, albedo=0.42, front=1, made_of="building")


def fence(
    solids: Solids, x: float, y: float, ground: float, length: float, heading: float, rng: np.random.Generator
) -> None:
    """Add a wall, palings or a wire fence: the same plate, ever more of which rays pass; posts in it are solid."""
    tall, through = float(rng.uniform(0.9, 2.4)), float(rng.choice((0.0, 0.35, 0.7), p=(0.7, 0.15, 0.15)))
    plate = (length, 0.12, tall + 0.3)
    solids.add(FRUSTUM, x, y, ground - 0.3, plate, heading, through=through, albedo=0.4, made_of="fence")
    if through > 0:
        for post in range(int(length / 2.5)):
            along = (post + 0.5) * 2.5 - length / 2
            at = (x + math.cos(heading) * along, y + math.sin(heading) * along)
            solids.add(
                FRUSTUM, at[0], at[1], ground - 0.2, (0.1, 0.1, tall + 0.25), heading, albedo=0.4, made_of="fence"
            )


def hedge(
    solids: Solids, x: float, y: float, ground: float, length: float, heading: float, rng: np.random.Generator
) -> None:
    """Add a row of overlapping bushes, dense enough that rays stop within some decimetres."""
    tall, wide = float(rng.uniform(0.7, 2.2)), float(rng.uniform(0.5, 1.3))
    pieces = max(1, int(length / 1.6))
    for piece in range(pieces):
        along = (piece + 0.5) * length / pieces - length / 2
        at = (x + math.cos(heading) * along, y + math.sin(heading) * along)
        size = (length / pieces * 1.3, wide * rng.uniform(0.8, 1.2), tall * rng.uniform(0.85, 1.15) + 0.3)
        solids.add(
            ELLIPSOID,
            at[0],
            at[1],
            ground - 0.3,
            size,
            heading,
            density=float(rng.uniform(2.5, 6)),
            albedo=LEAF_ALBEDO,
            made_of="vegetation",
        )


def shrub(solids: Solids, x: float, y: float, ground: float, rng: np.random.Generator, size: float) -> None:
    """Add a few overlapping balls of leaves."""
    for _ in range(int(rng.integers(2, 5))):
        wide = size * rng.uniform(0.5, 1.0)
        at = (x + rng.normal(0, size / 4), y + rng.normal(0, size / 4))
        ball = (wide, wide * rng.uniform(0.7, 1.3), wide * rng.uniform(0.6, 1.2))
        low = ground - 0.2 * wide + rng.uniform(0, 0.3) * size
        solids.add(
            ELLIPSOID,
            at[0],
            at[1],
            low,
            ball,
            density=float(rng.uniform(0.8, 3.5)),
            albedo=LEAF_ALBEDO,
            made_of="vegetation",
        )


def tree(solids: Solids, x: float, y: float, ground: float, rng: np.random.Generator) -> None:
    """Add a trunk and a crown of thin balls that begins above or below eye level."""
    trunk, clear = float(rng.uniform(0.16, 0.6)), float(rng.uniform(1.5, 3.5))
    solids.add(CYLINDER, x, y, ground - 0.2, (trunk, trunk, clear + 1.5), albedo=0.3, made_of="vegetation")
    wide = float(rng.uniform(2.0, 6.0))
    for _ in range(3):
        at = (x + rng.normal(0, wide / 6), y + rng.normal(0, wide / 6))
        crown = (wide, wide, wide * rng.uniform(0.7, 1.2))
        low = ground + clear + rng.uniform(-0.3, 0.5)
        solids.add(
            ELLIPSOID,
            at[0],
            at[1],
            low,
            crown,
            density=float(rng.uniform(0.2, 0.8)),
            albedo=LEAF_ALBEDO,
            made_of="vegetation",
        )


def pole(solids: Solids, x: float, y: float, ground: float, heading: float, rng: np.random.Generator) -> None:
    """Add a lamp post or a traffic sign, whose plate shines."""
    if rng.random() < 0.5:
        wide = float(rng.uniform(0.12, 0.28))
        solids.add(CYLINDER, x, y, ground - 0.2, (wide, wide, 6.0), albedo=0.35, made_of="pole")
        return
    solids.add(CYLINDER, x, y, ground - 0.2, (0.08, 0.08, 2.6), albedo=0.35, made_of="pole")
    side = float(rng.uniform(0.5, 0.9))
    low = ground + rng.uniform(1.5, 2.1)
    solids.add(FRUSTUM, x, y, low, (0.03, side, side), heading + math.pi, albedo=0.98, made_of="pole")


def decoy(
    kind: str, solids: Solids, x: float, y: float, ground: float, heading: float, rng: np.random.Generator
) -> None:
    """Add one thing of ``DECOYS``."""
    albedo = float(rng.uniform(0.15, 0.7))
    if kind == "bin":
        for number in range(int(rng.integers(1, 4))):
            at = (x + math.cos(heading) * 0.75 * number, y + math.sin(heading) * 0.75 * number)
            size = (0.6, 0.7, float(rng.uniform(0.95, 1.3)))
            solids.add(FRUSTUM, at[0], at[1], ground + 0.05, size, heading, lean=(-0.06, -0.06, -0.04), albedo=albedo)
    elif kind == "skip":
        size = (float(rng.uniform(2.6, 4.2)), 1.75, float(rng.uniform(1.1, 1.6)))
        solids.add(FRUSTUM, x, y, ground, size, heading, lean=(-0.4, -0.4, -0.05), albedo=albedo)
    elif kind == "column":
        wide = float(rng.uniform(0.5, 1.3))
        solids.add(CYLINDER, x, y, ground, (wide, wide, float(rng.uniform(1.5, 3.0))), albedo=albedo)
    elif kind == "bollard":
        for number in range(int(rng.integers(2, 6))):
            at = (x + math.cos(heading) * 1.5 * number, y + math.sin(heading) * 1.5 * number)
            solids.add(CYLINDER, at[0], at[1], ground, (0.2, 0.2, float(rng.uniform(0.7, 1.1))), albedo=albedo)
    elif kind == "cabinet":
        size = (float(rng.uniform(0.4, 1.3)), 0.45, float(rng.uniform(1.0, 1.8)))
        solids.add(FRUSTUM, x, y, ground, size, heading, albedo=albedo)
    elif kind == "shrub":
        shrub(solids, x, y, ground, rng, float(rng.uniform(0.7, 2.5)))
    elif kind == "bicycle":
        bicycle(Actor("", x, y, ground, 1.75, 0.5, 1.0, heading), -1, solids)
    elif kind == "bench":
        solids.add(FRUSTUM, x, y, ground + 0.35, (1.7, 0.5, 0.1), heading, albedo=albedo)
        back = (x - math.sin(heading) * 0.22, y + math.cos(heading) * 0.22)
        solids.add(FRUSTUM, back[0], back[1], ground + 0.45, (1.7, 0.06, 0.4), heading, through=0.3, albedo=albedo)
    elif kind == "trailer":
        size = (float(rng.uniform(2.2, 5.0)), float(rng.uniform(1.5, 2.1)), float(rng.uniform(0.4, 1.9)))
        solids.add(FRUSTUM, x, y, ground + 0.5, size, heading, albedo=albedo)
        solids.add(FRUSTUM, x, y, ground, (0.6, size[1], 0.6), heading, albedo=0.1)
    elif kind == "pallet":
        size = (1.2, 0.9, float(rng.uniform(0.4, 1.9)))
        solids.add(FRUSTUM, x, y, ground, size, heading, albedo=albedo)
    else:  # a stele: a slab as tall as a person
        solids.add(
            FRUSTUM,
            x,
            y,
            ground,
            (0.25, float(rng.uniform(0.5, 1.0)), float(rng.uniform(1.3, 2.1))),
            heading,
            albedo=albedo,
        )
