"""KITTI's camera beside the LiDAR: from the sensor's frame to pixels and to the camera frame that its labels stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PICTURE_HEIGHT_PX = 375
"""Height of KITTI's pictures; they differ by a few pixels from day to day."""

PICTURE_WIDTH_PX = 1242
"""Width of KITTI's pictures."""

NEAREST_M = 0.1
"""Depth below which a corner is not projected but moved to it: what is behind the camera has no place in its picture."""


@dataclass(frozen=True)
class CameraCalibration:
    """One frame's calibration.

    Args:
        projection: ``[3, 4]`` from rectified camera frame to pixels (P2).
        rectification: ``[3, 3]`` (R0_rect).
        from_lidar: ``[3, 4]`` from LiDAR to camera frame (Tr_velo_to_cam).
        width: of the picture, pixels.
        height: of the picture, pixels.
    """

    projection: NDArray[np.float64]
    rectification: NDArray[np.float64]
    from_lidar: NDArray[np.float64]
    width: int = PICTURE_WIDTH_PX
    height: int = PICTURE_HEIGHT_PX

    def to_camera(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places ``[N, 3]`` (x ahead, y left, z up) in the rectified camera frame (x right, y down, z ahead)."""
        seen = (places @ self.from_lidar[:, :3].T + self.from_lidar[:, 3]) @ self.rectification.T
        return np.asarray(seen, np.float64)

    def to_lidar(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places ``[N, 3]`` of the rectified camera frame in the LiDAR's."""
        unrectified = np.linalg.solve(self.rectification, places.T).T
        turned = np.linalg.solve(self.from_lidar[:, :3], (unrectified - self.from_lidar[:, 3]).T)
        return np.asarray(turned.T, np.float64)

    def pixels(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``[N, 2]``: right and down in the picture, pixels; depth is held at ``NEAREST_M`` or more."""
        seen = self.to_camera(places)
        seen[:, 2] = np.maximum(seen[:, 2], NEAREST_M)
        homogeneous = seen @ self.projection[:, :3].T + self.projection[:, 3]
        return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:])

    def sees(self, places: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return ``[N]``: does a place lie in the picture."""
        at = self.pixels(places)
        ahead = self.to_camera(places)[:, 2] > NEAREST_M
        return np.asarray(ahead & (at >= 0).all(1) & (at < (self.width, self.height)).all(1))

    def picture_boxes(self, boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the boxes' rectangles in the picture ``[M, 4]`` (left, top, right, bottom) and truncations ``[M]``.

        Truncation is the share of the whole rectangle that the picture's edges cut off; 1 where nothing is seen.
        """
        around = corners(boxes)
        at = self.pixels(around.reshape(-1, 3)).reshape(-1, 8, 2)
        whole = np.concatenate([at.min(1), at.max(1)], 1)
        edge = np.array([self.width - 1, self.height - 1] * 2, np.float64)
        seen = np.clip(whole, 0.0, edge)
        area = np.prod(np.maximum(whole[:, 2:] - whole[:, :2], 1e-9), 1)
        shown = np.prod(np.maximum(seen[:, 2:] - seen[:, :2], 0), 1)
        behind = np.asarray((self.to_camera(around.reshape(-1, 3))[:, 2].reshape(-1, 8) <= NEAREST_M).all(1))
        return np.where(behind[:, None], 0.0, seen), np.where(behind, 1.0, 1 - shown / area)


def corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``[M, 8, 3]`` of boxes ``[M, 7]``: the bottom's four corners around it, then the top's."""
    cos, sin = np.cos(boxes[:, 6:7]), np.sin(boxes[:, 6:7])
    ahead = boxes[:, 3:4] / 2 * np.array([1, -1, -1, 1] * 2)
    left = boxes[:, 4:5] / 2 * np.array([1, 1, -1, -1] * 2)
    up = boxes[:, 5:6] / 2 * np.array([-1] * 4 + [1] * 4)
    places = np.stack([cos * ahead - sin * left, sin * ahead + cos * left, up], -1)
    return np.asarray(places + boxes[:, None, :3])


def kitti_like(width: int = PICTURE_WIDTH_PX) -> CameraCalibration:
    """Return a calibration with KITTI's focal length and mounting, straight to the axes: what the generator's frames have."""
    projection = np.array([[721.5377, 0, width / 2, 0], [0, 721.5377, 172.854, 0], [0, 0, 1, 0]])
    from_lidar = np.array([[0.0, -1, 0, 0], [0, 0, -1, -0.08], [1, 0, 0, -0.27]])
    return CameraCalibration(projection, np.eye(3), from_lidar, width)
