"""Frames of a folder as KITTI or nuScenes lays it out: to the task like generated ones."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

from effbench.api import Split
from effbench.errors import BadInput
from effbench.lidar.camera import CameraCalibration, kitti_like
from effbench.lidar.frames import Frame
from effbench.lidar.kitti import KittiFolder, read_calibration
from effbench.lidar.nuscenes import NuscenesFolder
from effbench.tasks.lidar_detection.frame_source import CALIBRATION_FRAMES, FrameKey, FrameSource, GeneratedFrames


class FolderFrames(FrameSource):
    """Frames that lie in a folder. Where it names none to calibrate with, generated scenes serve to calibrate and to time."""

    def __init__(
        self,
        folder: Path,
        judged: Sequence[FrameKey],
        calibrated: Sequence[FrameKey],
        profile: str,
        evaluated: int | None,
    ) -> None:
        if evaluated is not None and evaluated > len(judged):
            raise BadInput(f"frames {evaluated}: {folder} has {len(judged)} to evaluate; ask for at most so many")
        self._keys: dict[Split, list[FrameKey]] = {
            "calibration": list(calibrated[:CALIBRATION_FRAMES]),
            "validation": [],
            "evaluation": list(judged[:evaluated]),
        }
        self._elsewhere = None if calibrated else GeneratedFrames(profile, None)
        self._own = {key.name for keys in self._keys.values() for key in keys}

    def keys(self, split: Split) -> Sequence[FrameKey]:
        """Return the frames of a split."""
        if split == "calibration" and self._elsewhere is not None:
            return self._elsewhere.keys(split)
        return self._keys[split]

    def frame(self, name: str) -> Frame:
        """Return a frame."""
        if self._elsewhere is not None and name not in self._own:
            return self._elsewhere.frame(name)
        return self.own_frame(name)

    def camera(self, name: str) -> CameraCalibration:
        """Return the calibration of a frame's camera."""
        if self._elsewhere is not None and name not in self._own:
            return self._elsewhere.camera(name)
        return self.own_camera(name)

    @abstractmethod
    def own_frame(self, name: str) -> Frame:
        """Return a frame of the folder."""

    @abstractmethod
    def own_camera(self, name: str) -> CameraCalibration:
        """Return the calibration of a frame of the folder."""


class KittiFrames(FolderFrames):
    """KITTI's layout: its split ``val`` is evaluated, or all frames outside of ``train`` where it has none.

    ``train`` is to calibrate with; ``BadInput`` where it holds a frame that is evaluated.
    """

    def __init__(self, folder: Path, sweeps: str, profile: str, evaluated: int | None) -> None:
        self.folder = KittiFolder(folder, sweeps)
        sets = {file.stem for parent in (folder, folder.parent) for file in (parent / "ImageSets").glob("*.txt")}
        calibrated = self.folder.names("train") if "train" in sets else []
        judged = self.folder.names("val") if "val" in sets else _outside(self.folder, calibrated)
        if both := sorted(set(judged) & set(calibrated)):
            more = f" and {len(both) - 1} more" if len(both) > 1 else ""
            raise BadInput(
                f"{folder}: its splits train and val both name frame {both[0]!r}{more}; nothing may be calibrated with what "
                "is evaluated"
            )
        calibration = [FrameKey(name, "") for name in calibrated]
        super().__init__(folder, [FrameKey(name, "") for name in judged], calibration, profile, evaluated)
        for name in sorted(self._own):
            for kind in ("calib", "label_2"):
                if not (folder / kind / f"{name}.txt").is_file():
                    raise BadInput(
                        f"{folder / kind / name}.txt: missing, and frame {name!r} cannot be judged without it"
                    )

    def own_frame(self, name: str) -> Frame:
        """Return a frame, cut to what the camera sees."""
        return self.folder.frame(name)

    def own_camera(self, name: str) -> CameraCalibration:
        """Return a frame's own calibration."""
        return read_calibration(self.folder.root / "calib" / f"{name}.txt")

    def revision(self) -> str:
        """Return a hash over the evaluated frames: names, labels, calibrations, and the sizes of their sweeps."""
        digest = hashlib.sha256()
        for name, _ in self.keys("evaluation"):
            size = (self.folder.root / self.folder.points / f"{name}.bin").stat().st_size
            digest.update(f"{name}\0{size}\0".encode())
            for kind in ("label_2", "calib"):
                digest.update((self.folder.root / kind / f"{name}.txt").read_bytes())
        return f"kitti {digest.hexdigest()[:16]}"


def _outside(folder: KittiFolder, calibrated: Sequence[str]) -> list[str]:
    """Return the frames of a folder that are not calibrated with; ``BadInput`` where there are no others."""
    left = [name for name in folder.names() if name not in set(calibrated)]
    if not left:
        raise BadInput(
            f"{folder.root}: its split train names every frame, so none is left to evaluate; add a split val"
        )
    return left


class NuscenesFrames(FolderFrames):
    """nuScenes' tables: all key frames are evaluated, grouped by scene, as if KITTI's camera had seen them."""

    def __init__(self, folder: Path, version: str, profile: str, evaluated: int | None) -> None:
        self.folder = NuscenesFolder(folder, version)
        samples, scenes = self.folder.tables["sample"], self.folder.tables["scene"]
        keys = []
        for name in self.folder.names():
            token = samples[name]["scene_token"]
            if token not in scenes:
                raise BadInput(f"{folder / version / 'scene.json'}: no row has the token {token!r}")
            keys.append(FrameKey(name, scenes[token]["name"]))
        super().__init__(folder, keys, [], profile, evaluated)

    def own_frame(self, name: str) -> Frame:
        """Return a key frame."""
        return self.folder.frame(name)

    def own_camera(self, name: str) -> CameraCalibration:
        """Return KITTI's camera, by which an object's height in a picture is told here."""
        return kitti_like()

    def revision(self) -> str:
        """Return a hash over the tokens of the evaluated frames, which nuScenes never changes."""
        tokens = "\0".join(key.name for key in self.keys("evaluation"))
        return f"nuscenes {self.folder.version} {hashlib.sha256(tokens.encode()).hexdigest()[:16]}"
