"""nuScenes' JSON tables and .pcd.bin sweeps read into frames: one frame per key frame, its LIDAR_TOP sweep alone.

nuScenes' sensor looks along its y; frames here look along x, so places are turned by a quarter. Classes become KITTI's, since
the detectors know those. Format: nuScenes' schema (Caesar et al., CVPR 2020); sweeps are float32 rows of x, y, z, intensity
(0 to 255), ring.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from effbench.errors import BadInput, nearest
from effbench.lidar.frames import Frame
from effbench.lidar.kitti import read_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

TABLES = (
    "scene",
    "sample",
    "sample_data",
    "sample_annotation",
    "calibrated_sensor",
    "sensor",
    "ego_pose",
    "instance",
    "category",
    "attribute",
)
"""Tables that are read."""

CHANNEL = "LIDAR_TOP"
"""The sensor whose sweeps are read."""

KINDS = {
    "vehicle.car": "Car",
    "vehicle.truck": "Truck",
    "vehicle.bus": "Truck",
    "human.pedestrian": "Pedestrian",
    "vehicle.bicycle": "Cyclist",
    "vehicle.motorcycle": "Cyclist",
}
"""KITTI's class of a nuScenes category, by how it begins; all others are Misc, and so is a cycle without a rider."""

OCCLUSIONS = {"1": 2, "2": 1, "3": 1, "4": 0}
"""KITTI's occlusion state of nuScenes' visibility: up to 40 % seen, 60 %, 80 %, more."""

FOCAL_PX = 721.5
"""KITTI's focal length: gives the height that an object would have in its pictures, f x height / distance."""

AHEAD = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""From nuScenes' sensor (x right, y ahead) to ours (x ahead, y left)."""


class NuscenesFolder:
    """A nuScenes data root: tables in ``root/version``, sweeps below ``root``.

    Args:
        root: folder that holds ``samples`` and the tables' folder.
        version: name of the tables' folder.
    """

    def __init__(self, root: Path, version: str = "v1.0-mini") -> None:
        self.root, self.version = root, version
        if not (root / version).is_dir():
            known = [path.name for path in root.glob("v*")] if root.is_dir() else []
            raise BadInput(f"{root}: no folder {version!r} with nuScenes' tables{nearest(version, known)}")

    @cached_property
    def tables(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return every table's rows by token."""
        return {name: {row["token"]: row for row in self._rows(name)} for name in TABLES}

    @cached_property
    def sweeps(self) -> dict[str, dict[str, Any]]:
        """Return the row of sample_data of every sample's key-frame sweep."""
        found = {}
        for row in self.tables["sample_data"].values():
            sensor = self.row("calibrated_sensor", row["calibrated_sensor_token"])["sensor_token"]
            if row["is_key_frame"] and self.row("sensor", sensor)["channel"] == CHANNEL:
                found[row["sample_token"]] = row
        return found

    @cached_property
    def annotations(self) -> dict[str, list[dict[str, Any]]]:
        """Return the annotations of every sample."""
        found: dict[str, list[dict[str, Any]]] = {token: [] for token in self.tables["sample"]}
        for row in self.tables["sample_annotation"].values():
            found.setdefault(row["sample_token"], []).append(row)
        return found

    def names(self) -> list[str]:
        """Return the tokens of all samples in order of time."""
        samples = self.tables["sample"].values()
        return [row["token"] for row in sorted(samples, key=lambda row: (row["timestamp"], row["token"]))]

    def frames(self) -> Iterator[Frame]:
        """Yield all frames."""
        for name in self.names():
            yield self.frame(name)

    def frame(self, name: str) -> Frame:
        """Return one sample's frame; ``BadInput`` where a row or its sweep is absent or damaged.

        Annotations without a LiDAR point are left out, as nuScenes' own evaluation does.
        """
        sample, sweep = self.row("sample", name), self.sweep(name)
        stored = read_points(self.root / sweep["filename"], columns=5, brightest=255.0)
        points = np.column_stack([stored[:, :3] @ AHEAD.T, stored[:, 3] / 255.0]).astype(np.float32)
        rows = [row for row in self.annotations[name] if row.get("num_lidar_pts", 1) > 0]
        boxes = self.boxes(rows, sweep)
        away = np.maximum(np.hypot(boxes[:, 0], boxes[:, 1]), 1.0)
        return Frame(
            name=name,
            scene=self.row("scene", sample["scene_token"])["name"],
            points=points,
            boxes=boxes,
            classes=tuple(self._kind(row) for row in rows),
            truncation=np.zeros(len(rows)),
            occlusion=np.array([OCCLUSIONS.get(str(row.get("visibility_token")), 3) for row in rows], np.int64),
            height_px=FOCAL_PX * boxes[:, 5] / away,
        )

    def sweep(self, name: str) -> dict[str, Any]:
        """Return the row of sample_data of a sample's key-frame sweep; ``BadInput`` where it has none."""
        self.row("sample", name)
        if name not in self.sweeps:
            raise BadInput(f"{self.root}: sample {name!r} has no key-frame sweep of {CHANNEL}")
        return self.sweeps[name]

    def poses(self, sweep: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the rows of where the car stood in the world at a sweep, and of where its sensor sits in the car."""
        sensor = self.row("calibrated_sensor", sweep["calibrated_sensor_token"])
        return self.row("ego_pose", sweep["ego_pose_token"]), sensor

    def category(self, annotation: dict[str, Any]) -> str:
        """Return the name of an annotation's category, such as ``vehicle.car``."""
        instance = self.row("instance", annotation["instance_token"])
        return str(self.row("category", instance["category_token"])["name"])

    def boxes(self, rows: list[dict[str, Any]], sweep: dict[str, Any]) -> NDArray[np.float64]:
        """Return boxes ``[M, 7]`` of annotations: from the world to the car to the sensor to our axes."""
        boxes = np.zeros((len(rows), 7))
        for box, row in zip(boxes, rows, strict=True):
            place, turned = np.array(row["translation"], np.float64), rotation(row["rotation"])[:, 0]
            for pose in self.poses(sweep):
                back = rotation(pose["rotation"]).T
                place, turned = back @ (place - np.array(pose["translation"])), back @ turned
            place, turned = AHEAD @ place, AHEAD @ turned
            wide, length, tall = row["size"]
            if min(row["size"]) <= 0:
                raise BadInput(
                    f"{self._file('sample_annotation')}: annotation {row['token']!r} has a size of zero or less"
                )
            box[:] = *place, length, wide, tall, np.arctan2(turned[1], turned[0])
        return boxes

    def _kind(self, row: dict[str, Any]) -> str:
        category = self.category(row)
        kind = next((kind for begin, kind in KINDS.items() if category.startswith(begin)), "Misc")
        if kind == "Cyclist":
            names = [self.row("attribute", token)["name"] for token in row.get("attribute_tokens", [])]
            return "Misc" if "cycle.without_rider" in names else kind
        return kind

    def _file(self, table: str) -> Path:
        return self.root / self.version / f"{table}.json"

    def _rows(self, table: str) -> list[dict[str, Any]]:
        file = self._file(table)
        try:
            rows = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            raise BadInput(f"{file}: the table is missing") from None
        except (OSError, ValueError) as error:
            raise BadInput(f"{file}: no JSON table ({error})") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) and "token" in row for row in rows):
            raise BadInput(f"{file}: a list of rows with a token each is needed")
        return rows

    def row(self, table: str, token: str) -> dict[str, Any]:
        """Return the row of a table that has a token; ``BadInput`` where none has."""
        rows = self.tables[table]
        if token not in rows:
            raise BadInput(f"{self._file(table)}: no row has the token {token!r}")
        return rows[token]


def rotation(quaternion: list[float]) -> NDArray[np.float64]:
    """Return the rotation ``[3, 3]`` of a quaternion w, x, y, z of any length but zero."""
    parts = np.array(quaternion, np.float64)
    if parts.shape != (4,) or not np.isfinite(parts).all() or not np.any(parts):
        raise BadInput(f"{quaternion}: no rotation; four numbers w, x, y, z, not all zero, are needed")
    w, x, y, z = parts / np.linalg.norm(parts)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
