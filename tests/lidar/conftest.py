"""Fixtures of the tests of LiDAR detection."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tiny_detector(shared):
    """Return the file of a detector with random weights, as small as it comes: to run the task without any training."""
    from filelock import FileLock

    path = shared / "tiny-detector.safetensors"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            import torch

            from effbench.lidar.detector.config import DetectorConfig
            from effbench.lidar.detector.grid import VoxelGrid
            from effbench.lidar.detector.model import LidarDetector, save_detector

            torch.manual_seed(0)
            coarse = DetectorConfig(grid=VoxelGrid(voxel=(0.8, 0.8, 0.5)), width=0.25, layers=2)
            save_detector(LidarDetector(coarse).eval(), path)
    return path
