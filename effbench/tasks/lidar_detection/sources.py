"""Where frames come from: the generated scenes of the manifest, or a folder of KITTI's or nuScenes' (``folders``)."""

from __future__ import annotations

from pathlib import Path

from effbench.api import PluginError
from effbench.errors import BadInput
from effbench.lidar.frames import Frame
from effbench.tasks.lidar_detection.frame_source import FrameSource, GeneratedFrames

GENERATED = "generated"


def find_source(data: str, sweeps: str, profile: str, evaluated: int | None) -> FrameSource:
    """Return the source that parameters name; raise ``PluginError`` where it is not there or not usable."""
    try:
        if data == GENERATED:
            return GeneratedFrames(profile, evaluated)
        if not Path(data).is_dir():
            raise BadInput(
                f"data {data!r}: no such folder; say {GENERATED!r}, or a folder that holds KITTI's velodyne/"
            )
        from effbench.tasks.lidar_detection.folders import KittiFrames, NuscenesFrames

        if versions := sorted(file.parent.name for file in Path(data).glob("v*/sample.json")):
            return NuscenesFrames(Path(data), versions[0], profile, evaluated)
        return KittiFrames(Path(data), sweeps, profile, evaluated)
    except BadInput as error:
        raise PluginError(str(error)) from None


def read(source: FrameSource, name: str) -> Frame:
    """Return a frame, read anew so that a repeated input costs the same; raise ``PluginError`` where it cannot be."""
    try:
        return source.frame(name)
    except BadInput as error:
        raise PluginError(str(error)) from None
