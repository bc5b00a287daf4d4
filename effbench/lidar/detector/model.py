"""A LiDAR detector: voxels, backbones, head, boxes; and how it is written and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from effbench.errors import BadInput
from effbench.kernels.sparse_conv import SparseTensor
from effbench.kernels.sparse_conv.keys import keys_of
from effbench.kernels.sparse_conv.sites import Sites
from effbench.lidar.detector.backbones import DenseBev, Execution, PillarBackbone, SparseBev, VoxelBackbone
from effbench.lidar.detector.blocks import MapBlock
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.decode import decode
from effbench.lidar.detector.filtering import FeatureFilter
from effbench.lidar.detector.head import CenterHead, HeadMaps
from effbench.lidar.detector.voxelise import Voxels, voxelise
from effbench.lidar.frames import Detections, Frame

HEAD_WIDTH = 64
"""Channels of the head's shared convolution, as in the paper."""


class LidarDetector(nn.Module):
    """The network of a configuration; ``filter`` may drop voxels and cells on the way, and drops nothing as it stands."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone3d: nn.Module = PillarBackbone(config) if config.bev == "pillar" else VoxelBackbone(config)
        inputs = int(self.backbone3d.outputs)
        self.bev: DenseBev | SparseBev = (
            SparseBev(inputs, config) if config.bev == "sparse" else DenseBev(inputs, config)
        )
        head = config.channels(HEAD_WIDTH)
        self.head = CenterHead(self.bev.outputs, head, len(config.classes), grows=config.bev != "sparse")
        self.filter = FeatureFilter()

    def batch(self, frames: Sequence[Voxels]) -> SparseTensor:
        """Return the voxels of some frames as one sparse tensor."""
        shape = np.asarray(self.config.grid.shape, np.int64)
        keys = [
            keys_of(np.pad(frame.coordinates, ((0, 0), (1, 0)), constant_values=number), shape)
            for number, frame in enumerate(frames)
        ]
        features = np.concatenate([frame.features for frame in frames])
        sites = Sites(
            torch.from_numpy(np.concatenate(keys)), len(frames), self.config.grid.shape
        )  # one after the other: sorted
        return SparseTensor(sites, torch.from_numpy(features))

    def forward(self, voxels: SparseTensor, frames: Sequence[Frame] = ()) -> HeadMaps:
        """Return the head's maps of voxels; ``frames`` is what a filter may look at beside them."""
        self.filter.begin(frames)
        cells = self.backbone3d(voxels, self.filter)
        maps: HeadMaps = self.head(self.bev(cells, self.filter))
        return maps

    @torch.no_grad()
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return what is found in each frame, one frame at a time as a sensor gives them."""
        found = []
        for frame in frames:
            voxels = self.batch([voxelise(frame.points, self.config.grid)])
            found += decode(self(voxels, [frame]), self.config)
        return found

    def executed(self, how: Execution) -> LidarDetector:
        """Set how the dense BEV backbone runs (``dense``, ``sparse``, ``auto``) and return the detector."""
        if isinstance(self.bev, DenseBev):
            self.bev.execution = how
        return self

    def trained_in(self, products: torch.dtype | None) -> LidarDetector:
        """Set the type of the products of a training's BEV convolutions (None: the weights'), and return the detector."""
        for module in (*self.bev.modules(), *self.head.modules()):
            if isinstance(module, MapBlock | CenterHead):
                module.products = products
        return self


def save_detector(detector: LidarDetector, path: Path, facts: dict[str, str] | None = None) -> None:
    """Write weights in fp16 with the configuration in the header."""
    from safetensors.torch import save_file

    state = {n: t.half() if t.is_floating_point() else t for n, t in detector.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {**(facts or {}), "config": detector.config.to_json()}
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata=header)


def load_detector(path: Path) -> LidarDetector:
    """Return the detector of a file, in fp32 and evaluation.

    Raises ``BadInput`` where the file is none or holds other weights than its header says.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as opened:
            header = opened.metadata() or {}
            state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise BadInput(f"{path}: no detector can be read from it ({error})") from error
    config = DetectorConfig.from_json(header.get("config", ""))
    detector = LidarDetector(config)
    try:
        detector.load_state_dict({n: t.float() if t.is_floating_point() else t for n, t in state.items()})
    except RuntimeError as error:
        raise BadInput(f"{path}: its weights are not those of the detector that its header names") from error
    return detector.eval()
