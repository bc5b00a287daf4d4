"""Generated frames for training and judging, kept on the disk once they are made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from effbench.lidar.frames import Frame
from effbench.lidar.scene.generator import VERSION, generate

PROFILE = "64-beam"
"""What the detectors are trained for: KITTI's sensor."""
TRAIN_SEED, HELD_OUT_SEED = 1000, 2000
"""Far from any seed that a suite may ask for, so that no frame of a table was trained on."""


def made(seed: int, count: int, work: Path, profile: str = PROFILE) -> list[Frame]:
    """Return frames 0 to ``count`` - 1 of a seed, read from ``work`` where they were made before."""
    folder = work / "frames" / f"v{VERSION}-{profile}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    return [_made(seed, index, folder / f"{index:06d}.npz", profile) for index in range(count)]


def _made(seed: int, index: int, file: Path, profile: str) -> Frame:
    if not file.exists():
        frame = generate(profile, seed, index)
        temporary = file.with_suffix(".tmp.npz")
        np.savez(temporary, **{name: np.asarray(getattr(frame, name)) for name in frame.__slots__})
        temporary.replace(file)
    with np.load(file) as held:
        values = {name: held[name] for name in held.files}
    values["classes"] = tuple(values["classes"].tolist())
    return Frame(**{**values, "name": str(values["name"]), "scene": str(values["scene"])})
