"""What a source of frames is, and the generated scenes of the manifest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from effbench.api import Split
from effbench.errors import BadInput
from effbench.lidar.camera import CameraCalibration
from effbench.lidar.frames import Frame

CALIBRATION_FRAMES = 40
"""Of the generated training split, those that methods may look at while they prepare, and that latency is timed on."""


class FrameKey(NamedTuple):
    """One frame of a source: its name, unique over splits, and the scene it belongs to."""

    name: str
    scene: str


class FrameSource(ABC):
    """Frames by key, and the camera that their difficulty is judged by."""

    @abstractmethod
    def keys(self, split: Split) -> Sequence[FrameKey]:
        """Return the frames of a split in their fixed order."""

    @abstractmethod
    def frame(self, name: str) -> Frame:
        """Return a frame."""

    @abstractmethod
    def camera(self, name: str) -> CameraCalibration:
        """Return the calibration of a frame's camera."""

    @abstractmethod
    def revision(self) -> str:
        """Return what pins the frames: a version or a hash."""


class GeneratedFrames(FrameSource):
    """The scenes of ``data_manifests/lidar_scenes.yaml``, made on demand and cached. Every frame is a scene of its own."""

    def __init__(self, profile: str, evaluated: int | None) -> None:
        from effbench.lidar.scene.profiles import profile_named
        from effbench.lidar.scene.splits import manifest, split_named

        profile_named(profile)
        self.profile = profile
        self._splits = {"calibration": "train", "validation": "validation", "evaluation": "evaluation"}
        self._frames = {split: split_named(name).frames for split, name in self._splits.items()}
        self._frames["calibration"] = min(CALIBRATION_FRAMES, self._frames["calibration"])
        most = self._frames["evaluation"]
        if evaluated is not None and evaluated > most:
            raise BadInput(f"frames {evaluated}: the generated evaluation split has {most}; ask for at most so many")
        self._frames["evaluation"] = most if evaluated is None else evaluated
        self._version = f"scenes {manifest()['version']}, {profile}"

    def keys(self, split: Split) -> Sequence[FrameKey]:
        """Return the first frames of a split."""
        names = [f"{self._splits[split]}-{index:06d}" for index in range(self._frames[split])]
        return [FrameKey(name, "") for name in names]

    def frame(self, name: str) -> Frame:
        """Return a frame, from the cache where it was made before."""
        from effbench.lidar.scene.splits import frame, split_named

        split, _, index = name.rpartition("-")
        return frame(self.profile, split_named(split).seed, int(index))

    def camera(self, name: str) -> CameraCalibration:
        """Return the calibration that all generated frames share."""
        from effbench.lidar.scene.generator import calibration

        return calibration()

    def revision(self) -> str:
        """Return the manifest's version and the profile."""
        return self._version
