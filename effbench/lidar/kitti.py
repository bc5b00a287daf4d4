"""KITTI folders read into frames: velodyne/*.bin, label_2/*.txt, calib/*.txt and split files, every fault in one sentence.

A folder is KITTI's own ``training`` folder or any that is laid out like it; ``write_frame`` of ``kitti_writer`` makes one.
Layout and conventions: the readme of KITTI's object development kit (Geiger, Lenz, Urtasun, CVPR 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from effbench.errors import BadInput, nearest
from effbench.lidar.camera import PICTURE_HEIGHT_PX, PICTURE_WIDTH_PX, CameraCalibration
from effbench.lidar.frames import CLASSES, OTHER_CLASSES, Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

FARTHEST_M = 250.0
"""A coordinate beyond it is no metre of a car's LiDAR, whose reach is 100 to 200 m."""

LABEL_NUMBERS = 14
"""Numbers after the class on a line of a label: truncation, occlusion, alpha, 2D box (4), h w l, x y z, rotation."""

MATRICES = {"P2": (3, 4), "R0_rect": (3, 3), "Tr_velo_to_cam": (3, 4)}
"""What is read of a calibration file, with shapes."""


@dataclass(frozen=True)
class KittiFolder:
    """A folder with ``velodyne``, ``label_2``, ``calib`` and, for splits, ``ImageSets``.

    Args:
        root: the folder; ``ImageSets`` may stand in it or beside it, as in KITTI where it is called ``training``.
        points: name of the folder of sweeps; ``velodyne_reduced`` where views were cut out already.
    """

    root: Path
    points: str = "velodyne"

    def __post_init__(self) -> None:
        if not (self.root / self.points).is_dir():
            raise BadInput(f"{self.root}: no KITTI folder: it has no folder {self.points!r} with sweeps (.bin)")

    def names(self, split: str | None = None) -> list[str]:
        """Return the names of a split's frames, or of all; ``BadInput`` where the split is absent, empty or names others."""
        present = sorted(file.stem for file in (self.root / self.points).glob("*.bin"))
        if split is None:
            if not present:
                raise BadInput(f"{self.root / self.points}: no sweep (.bin) in it")
            return present
        folders = [folder / "ImageSets" for folder in (self.root, self.root.parent)]
        file = next((folder / f"{split}.txt" for folder in folders if (folder / f"{split}.txt").is_file()), None)
        if file is None:
            known = [path.stem for folder in folders for path in folder.glob("*.txt")]
            raise BadInput(f"{self.root}: no split {split!r} (ImageSets/{split}.txt){nearest(split, known)}")
        lines = [(number, line.strip()) for number, line in enumerate(read_text(file).splitlines(), 1) if line.strip()]
        for number, name in lines:
            if name not in set(present):
                raise BadInput(
                    f"{file}:{number}: frame {name!r} has no sweep in {self.root / self.points}{_close(name, present)}"
                )
        if not lines:
            raise BadInput(f"{file}: it names no frame")
        return [name for _, name in lines]

    def frames(self, split: str | None = None) -> Iterator[Frame]:
        """Yield the frames of a split, or all."""
        for name in self.names(split):
            yield self.frame(name)

    def frame(self, name: str, *, view: bool = True) -> Frame:
        """Return one frame with its labels; ``BadInput`` where any file of it is absent or damaged.

        Args:
            name: of the frame, as its files are called.
            view: keep what the camera sees alone, since labels stand for that only.
        """
        points = read_points(self.root / self.points / f"{name}.bin")
        calibration = read_calibration(self.root / "calib" / f"{name}.txt")
        if view:
            points = points[calibration.sees(points[:, :3].astype(np.float64))]
            if not len(points):
                raise BadInput(f"{self.root / self.points / name}.bin: none of its points lies in the camera's picture")
        return read_labels(self.root / "label_2" / f"{name}.txt", name, points, calibration)


def _close(name: str, present: list[str]) -> str:
    """Return what names there are: the nearest of a few words, from which to which of many or of numbers."""
    if not present or (len(present) <= 20 and not name.isdigit()):
        return nearest(name, present)
    return f"; it has {len(present)} frames, {present[0]} to {present[-1]}"


def read_text(file: Path) -> str:
    """Return a file's text; ``BadInput`` where it is absent or no text."""
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        raise BadInput(f"{file}: missing") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: cannot be read as text ({error})") from error


def read_points(file: Path, columns: int = 4, brightest: float = 1.0) -> NDArray[np.float32]:
    """Return a sweep's points: float32 ``[N, columns]`` as stored; x, y, z, intensity first.

    Args:
        file: little-endian float32, no header.
        columns: numbers per point: 4 in KITTI, 5 in nuScenes.
        brightest: largest intensity that the format knows.

    ``BadInput`` where it is absent, cut short, empty, or holds what no LiDAR measures.
    """
    try:
        raw = file.read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{file}: the sweep is missing") from None
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror or error})") from error
    if not raw:
        raise BadInput(f"{file}: the frame has no points (0 bytes)")
    if len(raw) % (4 * columns):
        raise BadInput(
            f"{file}: {len(raw)} bytes are no whole number of points of {4 * columns} bytes: it was cut short"
        )
    points = np.frombuffer(raw, "<f4").reshape(-1, columns).astype(np.float32)
    if not (finite := np.isfinite(points).all(1)).all():
        wrong = np.flatnonzero(~finite)
        raise BadInput(f"{file}: {len(wrong)} of {len(points)} points are not finite, the first is point {wrong[0]}")
    if len(far := np.flatnonzero((np.abs(points[:, :3]) > FARTHEST_M).any(1))):
        raise BadInput(
            f"{file}: {len(far)} of {len(points)} points are out of range, the first is point {far[0]} at "
            f"{points[far[0], :3].tolist()}; coordinates are metres up to {FARTHEST_M:.0f}"
        )
    if len(odd := np.flatnonzero((points[:, 3] < 0) | (points[:, 3] > brightest))):
        raise BadInput(
            f"{file}: {len(odd)} of {len(points)} intensities are out of range, the first is {points[odd[0], 3]:g} at point "
            f"{odd[0]}; 0 to {brightest:g} is needed"
        )
    return points


def read_calibration(file: Path) -> CameraCalibration:
    """Return a frame's calibration; ``BadInput`` where the file or a matrix of it is absent or no matrix.

    A line ``picture: WIDTH HEIGHT``, which KITTI's own files lack, says the picture's size; its usual size is taken else.
    """
    found: dict[str, list[float]] = {}
    for number, line in enumerate(read_text(file).splitlines(), 1):
        key, colon, rest = line.partition(":")
        if colon:
            found[key.strip()] = _numbers(file, number, rest.split())
    matrices = {}
    for key, shape in MATRICES.items():
        if key not in found:
            raise BadInput(f"{file}: the calibration has no {key}{nearest(key, found)}")
        if len(found[key]) != shape[0] * shape[1]:
            raise BadInput(f"{file}: {key} has {len(found[key])} numbers; {shape[0]} x {shape[1]} are needed")
        matrices[key] = np.array(found[key]).reshape(shape)
    for key in ("R0_rect", "Tr_velo_to_cam"):
        if abs(np.linalg.det(matrices[key][:, :3])) < 0.5:
            raise BadInput(
                f"{file}: {key} is no rotation (its determinant is {np.linalg.det(matrices[key][:, :3]):.3g})"
            )
    width, height = (int(size) for size in found.get("picture", (PICTURE_WIDTH_PX, PICTURE_HEIGHT_PX)))
    return CameraCalibration(matrices["P2"], matrices["R0_rect"], matrices["Tr_velo_to_cam"], width, height)


def read_labels(file: Path, name: str, points: NDArray[np.float32], calibration: CameraCalibration) -> Frame:
    """Return a frame with the labels of a file; ``BadInput`` names file and line of the first that cannot be used."""
    classes: list[str] = []
    rows: list[list[float]] = []
    for number, line in enumerate(read_text(file).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if words[0] not in CLASSES + OTHER_CLASSES:
            raise BadInput(f"{file}:{number}: unknown class {words[0]!r}{nearest(words[0], CLASSES + OTHER_CLASSES)}")
        values = _numbers(file, number, words[1:])
        if len(values) not in (LABEL_NUMBERS, LABEL_NUMBERS + 1):
            raise BadInput(f"{file}:{number}: {len(values)} numbers after the class; {LABEL_NUMBERS} are needed")
        if words[0] != "DontCare" and min(values[7:10]) <= 0:
            sizes = " x ".join(f"{size:g}" for size in values[7:10])
            raise BadInput(
                f"{file}:{number}: the {words[0]} has a size of zero or less ({sizes} m, height x width x length)"
            )
        classes.append(words[0])
        rows.append(values[:LABEL_NUMBERS])
    table = np.array(rows, np.float64).reshape(-1, LABEL_NUMBERS)
    boxes = boxes_in_lidar(table, calibration)
    boxes[[label == "DontCare" for label in classes]] = 0.0
    return Frame(
        name=name,
        scene=name,
        points=points,
        boxes=boxes,
        classes=tuple(classes),
        truncation=table[:, 0],
        occlusion=table[:, 1].astype(np.int64),
        height_px=table[:, 6] - table[:, 4],
        image_boxes=table[:, 3:7],
    )


def boxes_in_lidar(table: NDArray[np.float64], calibration: CameraCalibration) -> NDArray[np.float64]:
    """Return boxes ``[M, 7]`` of label numbers ``[M, 14]``: the bottom's centre brought over, raised by half the height.

    The rotation about the camera's downward axis becomes a heading by -ry - pi/2; the few hundredths of a radian by which the
    sensors are tilted to each other are neglected, as everywhere with KITTI.
    """
    tall, wide, length = table[:, 7], table[:, 8], table[:, 9]
    centres = calibration.to_lidar(table[:, 10:13])
    centres[:, 2] += tall / 2
    heading = np.remainder(-table[:, 13] - np.pi / 2 + np.pi, 2 * np.pi) - np.pi
    return np.column_stack([centres, length, wide, tall, heading])


def _numbers(file: Path, line: int, words: list[str]) -> list[float]:
    """Return words as numbers; ``BadInput`` for the first that is none or not finite."""
    numbers = []
    for word in words:
        try:
            numbers.append(float(word))
        except ValueError:
            raise BadInput(f"{file}:{line}: {word!r} is no number") from None
        if not np.isfinite(numbers[-1]):
            raise BadInput(f"{file}:{line}: {word!r} is not finite")
    return numbers
