"""One LiDAR frame with its labels, and what a detector says of it: what readers, generator, detector and metrics share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from effbench.errors import BadInput, nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("Car", "Pedestrian", "Cyclist")
"""What detectors are asked for, in the order of their class numbers: the three that KITTI evaluates."""

OTHER_CLASSES = ("Van", "Truck", "Person_sitting", "Tram", "Misc", "DontCare")
"""What KITTI labels besides: kept in a frame, because its metric excuses detections on some of them."""

SURROUNDINGS = ("other", "road", "pavement", "land", "building", "fence", "vegetation", "pole")
"""What a point may lie on beside objects."""

POINT_CLASSES = (*SURROUNDINGS, *CLASSES, *OTHER_CLASSES[:-1])
"""What a point may lie on; an object's class is named as its box's is. DontCare is a region of the picture, not of points."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One sweep, or the camera's view of one, with its labels, in the sensor's frame: x ahead, y left, z up, metres.

    Args:
        name: the frame's name, unique in its split.
        scene: the group it belongs to; frames of one scene are not independent.
        points: float32 ``[N, 4]``: x, y, z and intensity from 0 to 1.
        boxes: float64 ``[M, 7]``: x, y, z of the centre, dx along the heading, dy, dz, heading in radians from x towards y.
        classes: class name of every box, of ``CLASSES`` or ``OTHER_CLASSES``; a DontCare box has zero sizes.
        truncation: float64 ``[M]``: share of the object outside the camera's view, 0 to 1.
        occlusion: int64 ``[M]``: 0 fully visible, 1 partly, 2 largely occluded, 3 unknown (KITTI).
        height_px: float64 ``[M]``: height of the object's box in the camera's picture, pixels; decides KITTI's difficulty.
        points_in_box: int64 ``[M]``: points of the frame inside every box; counted from ``points`` where not given.
        image_boxes: float64 ``[M, 4]``: left, top, right, bottom of the box in the picture, pixels; zeros where unknown.
        point_classes: uint8 ``[N]``: what every point lies on, a position in ``POINT_CLASSES``; empty where nobody says so.
        point_objects: int32 ``[N]``: the box whose object every point lies on, -1 for none; empty where nobody says so.
    """

    name: str
    scene: str
    points: NDArray[np.float32]
    boxes: NDArray[np.float64]
    classes: tuple[str, ...]
    truncation: NDArray[np.float64]
    occlusion: NDArray[np.int64]
    height_px: NDArray[np.float64]
    points_in_box: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    image_boxes: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    point_classes: NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    point_objects: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def __post_init__(self) -> None:
        boxes = len(self.boxes)
        if self.points.ndim != 2 or self.points.shape[1] != 4:
            raise BadInput(
                f"frame {self.name!r}: points have shape {self.points.shape}; x, y, z and intensity are needed: [N, 4]"
            )
        if self.boxes.shape != (boxes, 7):
            raise BadInput(f"frame {self.name!r}: boxes have shape {self.boxes.shape}; [M, 7] is needed")
        lengths = {len(self.classes), len(self.truncation), len(self.occlusion), len(self.height_px)}
        if lengths - {boxes}:
            raise BadInput(
                f"frame {self.name!r}: {boxes} boxes, but classes, truncation, occlusion, height_px have {lengths}"
            )
        for name in self.classes:
            if name not in CLASSES and name not in OTHER_CLASSES:
                raise BadInput(f"frame {self.name!r}: unknown class {name!r}{nearest(name, CLASSES + OTHER_CLASSES)}")
        for labels in (self.point_classes, self.point_objects):
            if len(labels) not in (0, len(self.points)):
                raise BadInput(
                    f"frame {self.name!r}: {len(self.points)} points, but {len(labels)} labels of points; one each, or none"
                )
        if len(self.image_boxes) != boxes:
            object.__setattr__(self, "image_boxes", np.zeros((boxes, 4)))
        if len(self.points_in_box) != boxes:
            object.__setattr__(self, "points_in_box", points_inside(self.points, self.boxes).sum(1))

    def select(self, keep: Any) -> Frame:
        """Return the frame with the boxes of a mask or of positions only; its points stay as they are.

        Labels of its points are left out: they would tell of boxes that are not selected.
        """
        chosen = np.arange(len(self.boxes))[keep]
        return Frame(
            self.name,
            self.scene,
            self.points,
            self.boxes[chosen],
            tuple(self.classes[i] for i in chosen),
            self.truncation[chosen],
            self.occlusion[chosen],
            self.height_px[chosen],
            self.points_in_box[chosen],
            self.image_boxes[chosen],
        )

    def inside(self, low: Any, high: Any) -> Frame:
        """Return the frame with only the boxes whose centre lies in ``[low, high)`` (x, y, z), a detector's grid.

        DontCare stays: it is a region of the picture and has no place in space.
        """
        centres = self.boxes[:, :3]
        kept = ((centres >= np.asarray(low)) & (centres < np.asarray(high))).all(1)
        return self.select(kept | np.array([name == "DontCare" for name in self.classes], bool))

    def with_points(self, points: NDArray[np.float32]) -> Frame:
        """Return the frame with other points; the points inside its boxes are counted anew, and no labels are theirs."""
        rest = (self.boxes, self.classes, self.truncation, self.occlusion, self.height_px)
        return Frame(self.name, self.scene, points, *rest, image_boxes=self.image_boxes)


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found in one frame, best first or in any order.

    Args:
        boxes: float64 ``[K, 7]`` as in ``Frame``.
        scores: float64 ``[K]``; only their order within a class matters to the metrics.
        labels: int64 ``[K]``: position of the class in the detector's class names (``CLASSES`` unless it says otherwise).
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.boxes), 7) or {len(self.scores), len(self.labels)} - {len(self.boxes)}:
            shapes = (self.boxes.shape, np.shape(self.scores), np.shape(self.labels))
            raise BadInput(
                f"detections have boxes, scores and labels of shapes {shapes}; [K, 7], [K] and [K] are needed"
            )


def points_inside(points: NDArray[Any], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return ``[M, N]``: is point n (x, y, z first in its row) inside box m, its faces included.

    The plain definition, for labels and tests; a box without volume holds nothing.
    """
    inside = np.zeros((len(boxes), len(points)), bool)
    for row, (x, y, z, dx, dy, dz, heading) in zip(inside, boxes, strict=True):
        if min(dx, dy, dz) <= 0:
            continue
        ahead, left = points[:, 0] - x, points[:, 1] - y
        cos, sin = np.cos(heading), np.sin(heading)
        row[:] = np.abs(cos * ahead + sin * left) <= dx / 2
        row &= np.abs(cos * left - sin * ahead) <= dy / 2
        row &= np.abs(points[:, 2] - z) <= dz / 2
    return inside
