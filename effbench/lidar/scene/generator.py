"""One generated frame: a street drawn from a seed, swept, cropped to the camera's picture, labelled by KITTI's rules."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from effbench.lidar.camera import CameraCalibration, kitti_like
from effbench.lidar.frames import POINT_CLASSES, Frame
from effbench.lidar.scene.layout import StreetLayout, lay_out
from effbench.lidar.scene.profiles import SensorProfile, profile_named
from effbench.lidar.scene.sweep import Sweep, returns, sweep

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
"""Raised whenever any frame changes, so that nothing cached or trained on is taken for another."""

VIEW_WIDTH_PX = 1443
"""Width of the picture in which a camera of KITTI's focal length sees 90 degrees: 2 x 721.5."""

LEAST_SHARE = 0.05
"""Share of its rays that must reach an object for it to be labelled: nobody draws a box around what is not seen."""

GROUND_CLASSES = ("road", "pavement", "land")
"""Of a point on the ground, by its zone: ``ROAD``, ``PAVEMENT``, ``LAND``."""


@cache
def calibration() -> CameraCalibration:
    """Return the calibration that all generated frames share."""
    return kitti_like(VIEW_WIDTH_PX)


def generate(
    profile: str | SensorProfile = "64-beam", seed: int = 0, index: int = 0, *, point_labels: bool = False
) -> Frame:
    """Return frame ``index`` of a seed: the same on every machine up to the last bit of its trigonometry, then rounded to mm.

    Every frame is a scene of its own. With ``point_labels`` it says what every point lies on, too; nothing else changes.
    ``BadInput`` for an unknown profile.
    """
    sensor = profile if isinstance(profile, SensorProfile) else profile_named(profile)
    rng = np.random.default_rng([VERSION, seed, index, zlib.crc32(sensor.name.encode())])
    layout = lay_out(rng)
    solids = layout.solids.table()
    swept = sweep(layout.ground, solids, len(layout.actors), sensor, rng)
    points, owner, ray = returns(swept, solids, sensor, rng)
    shown = calibration().sees(points[:, :3].astype(np.float64))
    points, owner, ray = points[shown], owner[shown], ray[shown]
    seen = np.bincount(owner[owner >= 0], minlength=len(layout.actors))
    first = np.bincount(solids[swept.hit[swept.hit >= 0], 15].astype(np.int64) + 1, minlength=len(layout.actors) + 1)[
        1:
    ]
    share = first / np.maximum(swept.meets, 1)
    frame, kept = label(f"{index:06d}", f"{sensor.name}/{seed}/{index}", points, layout, seen, share)
    if not point_labels:
        return frame
    place = np.full(len(layout.actors) + 1, -1, np.int32)  # the last stands for the surroundings, whose owner is -1
    place[kept] = np.arange(len(kept))
    return replace(frame, point_classes=point_classes(layout, swept, owner, ray), point_objects=place[owner])


def point_classes(
    layout: StreetLayout, swept: Sweep, owner: NDArray[np.int64], ray: NDArray[np.int64]
) -> NDArray[np.uint8]:
    """Return what points lie on, positions in ``POINT_CLASSES`` ``[N]``; ``owner`` and ``ray`` ``[N]`` as of ``returns``.

    A point on an object that is too hidden to be labelled is one of its class all the same.
    """
    number = {name: place for place, name in enumerate(POINT_CLASSES)}
    hit = swept.hit.ravel()[ray]
    solids = np.array([number[name] for name in layout.solids.made_of] + [0])
    actors = np.array([number[actor.kind] for actor in layout.actors] + [0])
    ground = np.array([number[name] for name in GROUND_CLASSES])[swept.zones.ravel()[ray]]
    return np.where(owner >= 0, actors[owner], np.where(hit >= 0, solids[hit], ground)).astype(np.uint8)


def label(
    name: str,
    scene: str,
    points: NDArray[np.float32],
    layout: StreetLayout,
    seen: NDArray[np.int64],
    share: NDArray[np.float64],
) -> tuple[Frame, NDArray[np.int64]]:
    """Return the frame with labels of what is seen, as KITTI's annotators would have drawn them, and which actors those are.

    Args:
        name: of the frame.
        scene: of the frame.
        points: ``[N, 4]``.
        layout: whose actors are labelled.
        seen: points on each actor.
        share: of the rays that would meet each actor alone, those that do.
    """
    boxes = np.array([actor.box() for actor in layout.actors], np.float64).reshape(-1, 7)
    pictures, truncation = calibration().picture_boxes(boxes)
    tall = pictures[:, 3] - pictures[:, 1]
    kept = np.flatnonzero((seen > 0) & (share >= LEAST_SHARE) & (truncation < 0.95) & (tall > 0))
    frame = Frame(
        name=name,
        scene=scene,
        points=points,
        boxes=boxes[kept],
        classes=tuple(layout.actors[place].kind for place in kept),
        truncation=np.round(truncation[kept], 2),
        occlusion=occlusion_level(share[kept]),
        height_px=tall[kept],
        image_boxes=pictures[kept],
    )
    return frame, kept


def occlusion_level(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return KITTI's occlusion states from the visible share: 0 from 80 %, 1 from 45 %, 2 from 15 %, else 3 (unknown).

    KITTI gives words, not shares ("fully visible", "partly", "largely occluded"); these are the shares taken for them here.
    """
    return np.select([share >= 0.8, share >= 0.45, share >= 0.15], [0, 1, 2], 3).astype(np.int64)


def digest(frames: list[Frame]) -> str:
    """Return sha256 over the points (whole millimetres), boxes (rounded to 0.1 mm) and labels of frames."""
    state = hashlib.sha256()
    for frame in frames:
        state.update(np.round(frame.points[:, :3].astype(np.float64) * 1000).astype(np.int64).tobytes())
        state.update(np.round(frame.points[:, 3].astype(np.float64) * 100).astype(np.int64).tobytes())
        state.update(np.round(frame.boxes * 10000).astype(np.int64).tobytes())
        state.update(repr((frame.name, frame.classes, frame.occlusion.tolist())).encode())
    return state.hexdigest()
