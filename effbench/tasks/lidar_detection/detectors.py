"""The detector that parameters name: one that ships (``zoo:lidar-detectors/dense``), or a file of weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from effbench.api import PluginError
from effbench.errors import BadInput, nearest

if TYPE_CHECKING:
    from effbench.tasks.lidar_detection.system import LidarSystem

ZOO = "zoo:lidar-detectors"


def weights_of(system: str) -> Path:
    """Return the file of a detector's weights; raise ``PluginError`` where there is none."""
    if not system.startswith("zoo:"):
        path = Path(system)
        if path.suffix != ".safetensors" or not path.is_file():
            raise PluginError(f"system {system!r}: no such file; say {ZOO}/NAME or the path of a .safetensors file")
        return path
    from effbench import zoo

    model, _, name = system.partition("/")
    if model != ZOO or not name:
        raise PluginError(f"system {system!r}: a LiDAR detector that ships is called {ZOO}/NAME, such as {ZOO}/dense")
    folder = zoo.find(model).folder / "weights"
    known = sorted(file.stem for file in folder.glob("*.safetensors"))
    if name not in known:
        raise PluginError(f"system {system!r}: no detector {name!r} ships{nearest(name, known)}")
    return folder / f"{name}.safetensors"


def load(system: str) -> LidarSystem:
    """Return the system of a detector, on the CPU; raise ``PluginError`` where its file cannot be used.

    Weights of a grid that covers less than what is judged are refused: what lies beyond it would count as not found.
    """
    from effbench.lidar.detector.model import load_detector
    from effbench.tasks.lidar_detection.scoring import JUDGED_AREA_M
    from effbench.tasks.lidar_detection.system import LidarSystem

    path = weights_of(system)
    try:
        detector = load_detector(path)
    except BadInput as error:
        raise PluginError(f"system {system!r}: {error}") from None
    grid = detector.config.grid
    x, y, far_x, far_y = JUDGED_AREA_M
    if grid.low[0] > x or grid.low[1] > y or grid.high[0] < far_x or grid.high[1] < far_y:
        raise PluginError(
            f"system {system!r}: weights of another grid: it reaches from {grid.low[:2]} to {grid.high[:2]} m, and "
            f"objects from {(x, y)} to {(far_x, far_y)} m are judged; train on a grid that covers these"
        )
    name = system if system.startswith("zoo:") else path.stem
    return LidarSystem(detector, name, detector.config.classes)


def sha256_of(system: str) -> str:
    """Return the hash of a detector's weights."""
    with weights_of(system).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
