"""nuScenes' labels as its own detection score takes them: ten classes, velocities, attributes, points of LiDAR and radar.

``frames`` has KITTI's classes, since detectors here know those, and no time. Who has detections of nuScenes' classes gets NDS
by ``nds.count_nds(nds_truths(folder, name), found)`` for each frame, then ``nds.NdsCurves``. Rules: nuScenes' schema and what
its devkit states (Caesar et al. 2020, CVPR). Boxes lie in the sensor's axes as in ``Frame``, so reaches are measured from the
sensor; the devkit measures them from the car, whose origin lies about a metre behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from effbench.errors import BadInput
from effbench.lidar.frames import points_inside
from effbench.lidar.nds import NdsBoxes
from effbench.lidar.nuscenes import AHEAD, NuscenesFolder, rotation

if TYPE_CHECKING:
    from numpy.typing import NDArray

DETECTED = {
    "movable_object.barrier": "barrier",
    "movable_object.trafficcone": "traffic_cone",
    "vehicle.bicycle": "bicycle",
    "vehicle.bus.bendy": "bus",
    "vehicle.bus.rigid": "bus",
    "vehicle.car": "car",
    "vehicle.construction": "construction_vehicle",
    "vehicle.motorcycle": "motorcycle",
    "vehicle.trailer": "trailer",
    "vehicle.truck": "truck",
    "human.pedestrian.adult": "pedestrian",
    "human.pedestrian.child": "pedestrian",
    "human.pedestrian.construction_worker": "pedestrian",
    "human.pedestrian.police_officer": "pedestrian",
}
"""Class of a category; all other categories are not asked for."""

RACK = "static_object.bicycle_rack"
"""Cycles inside of one are not asked for: they are labelled as a heap."""

LONGEST_S = 1.5
"""Between two labels of an object, so that their difference is a velocity; twice that between those before and after."""


def nds_truths(folder: NuscenesFolder, name: str) -> NdsBoxes:
    """Return the truths of a sample; raise ``BadInput`` where a row is absent or an object has several attributes.

    A velocity is NaN where an object was not labelled shortly before or after, an attribute "" where it has none.
    """
    sweep = folder.sweep(name)
    kinds = {row["token"]: folder.category(row) for row in folder.annotations[name]}
    rows = [row for row in folder.annotations[name] if kinds[row["token"]] in DETECTED]
    boxes = folder.boxes(rows, sweep)
    racks = folder.boxes([row for row in folder.annotations[name] if kinds[row["token"]] == RACK], sweep)
    racked: NDArray[np.bool_] = np.any(points_inside(boxes[:, :3], racks), axis=0)
    classes = [DETECTED[kinds[row["token"]]] for row in rows]
    kept = [i for i, kind in enumerate(classes) if not (kind in ("bicycle", "motorcycle") and racked[i])]
    turned = AHEAD @ np.linalg.multi_dot([rotation(pose["rotation"]).T for pose in reversed(folder.poses(sweep))])
    velocities = np.array([turned @ _velocity(folder, rows[i]) for i in kept]).reshape(-1, 3)[:, :2]
    return NdsBoxes(
        boxes[kept],
        [classes[i] for i in kept],
        velocities=velocities,
        attributes=[_attribute(folder, rows[i]) for i in kept],
        points=np.array([rows[i].get("num_lidar_pts", 1) + rows[i].get("num_radar_pts", 0) for i in kept], np.int64),
    )


def _velocity(folder: NuscenesFolder, row: dict[str, Any]) -> NDArray[np.float64]:
    """Return the velocity ``[3]`` of an object in the world, m/s, from its places before and after; NaN where unknown."""
    around = [row.get("prev") or row["token"], row.get("next") or row["token"]]
    first, last = (folder.row("sample_annotation", token) for token in around)
    start, end = (folder.row("sample", one["sample_token"])["timestamp"] * 1e-6 for one in (first, last))
    longest = LONGEST_S * (2 if first is not row and last is not row else 1)
    if not 0 < end - start <= longest:
        return np.full(3, np.nan)
    return np.asarray((np.array(last["translation"]) - np.array(first["translation"])) / (end - start), np.float64)


def _attribute(folder: NuscenesFolder, row: dict[str, Any]) -> str:
    tokens = row.get("attribute_tokens", [])
    if len(tokens) > 1:
        raise BadInput(
            f"sample_annotation {row['token']!r}: {len(tokens)} attributes; nuScenes gives an object one at most"
        )
    return str(folder.row("attribute", tokens[0])["name"]) if tokens else ""
