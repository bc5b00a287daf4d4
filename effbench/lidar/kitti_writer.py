"""Frames written as a KITTI folder, labels in the camera's frame, so that generated and real data go through one reader."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from effbench.atomic import write_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from effbench.lidar.camera import CameraCalibration
    from effbench.lidar.frames import Frame


def write_folder(root: Path, frames: Iterable[Frame], calibration: CameraCalibration, split: str) -> int:
    """Write frames and the split that names them; return how many. ``StoreError`` where the disk refuses."""
    names = []
    for frame in frames:
        write_frame(root, frame, calibration)
        names.append(frame.name)
    write_bytes(root / "ImageSets" / f"{split}.txt", "".join(f"{name}\n" for name in names).encode())
    return len(names)


def write_frame(root: Path, frame: Frame, calibration: CameraCalibration) -> None:
    """Write sweep, labels and calibration of one frame under its name."""
    write_bytes(root / "velodyne" / f"{frame.name}.bin", frame.points.astype("<f4").tobytes())
    write_bytes(root / "calib" / f"{frame.name}.txt", calibration_text(calibration).encode())
    write_bytes(root / "label_2" / f"{frame.name}.txt", label_text(frame, calibration).encode())


def calibration_text(calibration: CameraCalibration) -> str:
    """Return a calibration file; all four cameras are the one camera, and the picture's size is said at the end."""
    rows = {f"P{camera}": calibration.projection for camera in range(4)}
    rows |= {"R0_rect": calibration.rectification, "Tr_velo_to_cam": calibration.from_lidar}
    rows |= {"Tr_imu_to_velo": np.eye(3, 4)}
    lines = [f"{key}: {' '.join(f'{value:.12e}' for value in matrix.ravel())}" for key, matrix in rows.items()]
    return "\n".join([*lines, f"picture: {calibration.width} {calibration.height}", ""])


def label_text(frame: Frame, calibration: CameraCalibration) -> str:
    """Return a label file: KITTI's columns, with more decimals, so that reading loses nothing that counts."""
    rows = label_rows(frame.boxes, calibration)
    lines = []
    for place, name in enumerate(frame.classes):
        if name == "DontCare":
            picture = " ".join(f"{value:.2f}" for value in frame.image_boxes[place])
            lines.append(f"DontCare -1 -1 -10 {picture} -1 -1 -1 -1000 -1000 -1000 -10")
            continue
        left, top, right, bottom = frame.image_boxes[place]
        alpha, *box = rows[place]
        picture = f"{left:.4f} {top:.4f} {right:.4f} {bottom:.4f}"
        numbers = " ".join(f"{value:.6f}" for value in box)
        lines.append(f"{name} {frame.truncation[place]:.2f} {frame.occlusion[place]} {alpha:.4f} {picture} {numbers}")
    return "".join(f"{line}\n" for line in lines)


def label_rows(boxes: NDArray[np.float64], calibration: CameraCalibration) -> NDArray[np.float64]:
    """Return ``[M, 8]``: alpha, height, width, length, x, y, z of the bottom's centre in the camera's frame, rotation."""
    bottoms = boxes[:, :3] - np.array([0.0, 0.0, 0.5]) * boxes[:, 5:6]
    places = calibration.to_camera(bottoms)
    rotation = np.remainder(-boxes[:, 6] - np.pi / 2 + np.pi, 2 * np.pi) - np.pi
    alpha = np.remainder(rotation - np.arctan2(places[:, 0], places[:, 2]) + np.pi, 2 * np.pi) - np.pi
    return np.column_stack([alpha, boxes[:, 5], boxes[:, 4], boxes[:, 3], places, rotation])
