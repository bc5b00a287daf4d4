"""Ada3D's importance predictor: one small network over BEV that says where objects are, from features of any layer."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from effbench.kernels import cost
from effbench.kernels.operands import operand_bytes
from effbench.kernels.recording import record_kernel
from effbench.kernels.sparse_conv import SparseTensor, max_pool
from effbench.kernels.sparse_conv.sites import three
from effbench.lidar.detector.blocks import Features
from effbench.lidar.detector.folding import KeptTensors
from effbench.lidar.detector.spbn import EPS, MOMENTUM
from effbench_baselines.ada3d import cell_loops, predictor_cpu
from effbench_baselines.ada3d.choice_cost import PER_CELL_OF_KEY
from effbench_baselines.ada3d.dropping import VOXEL_STRIDE, CellDropper
from effbench_baselines.ada3d.selecting import CELL_GUIDANCE, VOXEL_GUIDANCE, Guidance, cells_of, guided

ADAPTED = 8
"""Channels that the adapters give, and groups of the predictor's convolutions (the paper's)."""


class ImportancePredictor(nn.Module):
    """Three 3x3 convolutions in 8 groups (8 -> 8 -> 16 -> 8), a 1x1 one to the classes, each with batch norm and sigmoid."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        sizes = (ADAPTED, ADAPTED, 2 * ADAPTED, ADAPTED)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(sizes):
            conv = nn.Conv2d(inputs, outputs, 3, padding=1, groups=ADAPTED, bias=False)
            layers += [conv, nn.BatchNorm2d(outputs, EPS, MOMENTUM), nn.Sigmoid()]
        layers += [nn.Conv2d(ADAPTED, classes, 1, bias=False), nn.BatchNorm2d(classes, EPS, MOMENTUM), nn.Sigmoid()]
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return [B, classes, H, W] in (0, 1) of adapted features [B, 8, H, W]."""
        y: torch.Tensor = self.body(x)
        return y


class Ada3dFilter(CellDropper):  # type: ignore[misc]
    """Drops by the predictor's importance, guided by density: one predictor, an adapter of its own per insertion point.

    While it learns (``learning``), every insertion point keeps all and what its adapter gives is in ``adapted``. Features
    reach it detached: its loss never moves the detector. Frozen, it stays in evaluation whatever the detector does; the
    released code lets the statistics of its batch norms drift.
    """

    def __init__(
        self,
        channels: Mapping[str, int],
        classes: int,
        voxel_keep: Mapping[str, float],
        cell_keep: Mapping[int, float],
        voxel_guidance: Guidance = VOXEL_GUIDANCE,
        cell_guidance: Guidance = CELL_GUIDANCE,
    ) -> None:
        super().__init__(voxel_keep, cell_keep)
        self.predictor = ImportancePredictor(classes)
        self.adapters = nn.ParameterDict(
            {point: nn.Parameter(torch.randn(ADAPTED, width) / width**0.5) for point, width in channels.items()}
        )
        self.voxel_guidance, self.cell_guidance = voxel_guidance, cell_guidance
        self.learning = False
        self.uniform = False
        """All cells equally important: what density decides alone (an ablation)."""
        self.adapted: list[torch.Tensor] = []
        self._packed = KeptTensors()

    def train(self, mode: bool = True) -> Ada3dFilter:
        """Go into training only while it learns."""
        super().train(mode and self.learning)
        return self

    def voxels(self, point: str, x: SparseTensor) -> SparseTensor:
        """Return the voxels of the most important cells; all of them while it learns."""
        if self.learning:
            if point in self.adapters:
                self.adapted.append(self.adapted_voxels(point, x))
            return x
        left: SparseTensor = super().voxels(point, x)
        return left

    def cells(self, layer: int, x: Features) -> Features:
        """Return the most important cells; all of them while it learns."""
        if self.learning:
            if f"bev{layer}" in self.adapters:
                self.adapted.append(self.adapted_cells(layer, x))
            return x
        left: Features = super().cells(layer, x)
        return left

    def voxel_scores(self, point: str, x: SparseTensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the guided importance of cells from voxels."""
        scores: torch.Tensor = guided(self._importance(point, x, valid), valid, self.voxel_guidance)
        return scores

    def cell_scores(self, layer: int, x: Features, valid: torch.Tensor) -> torch.Tensor:
        """Return the guided importance of cells from BEV features."""
        scores: torch.Tensor = guided(self._importance(layer, x, valid), valid, self.cell_guidance)
        return scores

    def _importance(self, where: str | int, x: Features, valid: torch.Tensor) -> torch.Tensor:
        """Return the predicted importance [B, H, W] after a block of voxels or before a BEV layer: the mean over classes."""
        if self.uniform:
            return torch.ones(valid.shape)
        if _is_compiled(self.predictor, x):
            planes = predictor_cpu.empty_planes(*valid.shape)
            self._write(where, x, planes, valid)
            of = tuple(self.predictor.state_dict(keep_vars=True).values())
            (parameters,) = self._packed.made(of, lambda: (predictor_cpu.packed(self.predictor.body),))
            compiled: torch.Tensor = predictor_cpu.importance(
                planes, parameters, self.predictor.classes, valid.shape[2]
            )
            return compiled
        if isinstance(where, str):
            assert isinstance(x, SparseTensor)
            adapted = self.adapted_voxels(where, x)
        else:
            adapted = self.adapted_cells(where, x)
        importance: torch.Tensor = self.predictor(adapted).mean(1)
        return importance

    def _write(self, where: str | int, x: Features, planes: torch.Tensor, valid: torch.Tensor) -> None:
        """Write what ``adapted_voxels`` or ``adapted_cells`` gives into the planes of the compiled predictor."""
        _, rows, columns = valid.shape
        weight = self.adapters[where if isinstance(where, str) else f"bev{where}"].detach()
        if not isinstance(x, SparseTensor):
            adapted = self.adapted_cells(int(where), x).detach().permute(0, 2, 1, 3)
            planes[:, 1:-1, :, predictor_cpu.SIDE : predictor_cpu.SIDE + columns] = adapted
            return
        keys, rows_of_x = x.sites.keys.numpy(), x.features.detach()
        if isinstance(where, int):
            mapped = (rows_of_x @ weight.T).numpy()
            cell_loops.add_rows(keys, mapped, planes.numpy(), predictor_cpu.SIDE, rows, columns)
            record_kernel("ada3d_adapter/rows", x.sites.keys, out=planes)
            return
        of_channel = weight.T.contiguous()
        given = rows_of_x.numpy(), of_channel.numpy(), three(x.sites.shape), VOXEL_STRIDE[where]
        pooled = cell_loops.add_columns(keys, *given, planes.numpy(), predictor_cpu.SIDE)
        record_kernel("ada3d_adapter/numba", x.features, weight, pooled, out=planes)

    def adapted_voxels(self, point: str, x: SparseTensor) -> torch.Tensor:
        """Return [B, 8, H, W]: voxels max-pooled to the cells' stride, summed over z, through the point's adapter.

        The adapter has no bias, so it runs over rows, and empty cells are zero as the mask of the paper makes them.
        """
        x = x.with_features(x.features.detach())
        stride = VOXEL_STRIDE[point]
        if stride > 1:
            x = max_pool(x, stride, stride)
        batch, row, column = cells_of(x, 1)
        rows, columns = x.sites.shape[-2:]
        flat = x.features.new_zeros(x.sites.batch_size * rows * columns, ADAPTED)
        adapted = x.features @ self.adapters[point].T
        flat = flat.index_add(0, (batch * rows + row) * columns + column, adapted)
        return flat.view(x.sites.batch_size, rows, columns, ADAPTED).permute(0, 3, 1, 2)

    def adapted_cells(self, layer: int, x: Features) -> torch.Tensor:
        """Return [B, 8, H, W]: BEV features through the layer's adapter."""
        weight = self.adapters[f"bev{layer}"]
        if isinstance(x, SparseTensor):
            return x.with_features(x.features.detach() @ weight.T).dense()
        return nn.functional.conv2d(x.detach(), weight[:, :, None, None])


def _is_compiled(predictor: ImportancePredictor, x: Features) -> bool:
    """Return whether the compiled predictor computes what this one would: in evaluation, on the CPU, in float32."""
    features = x.features if isinstance(x, SparseTensor) else x
    return not predictor.training and features.device.type == "cpu" and features.dtype == torch.float32


def channels_at(detector: Any, voxel_points: tuple[str, ...], layers: tuple[int, ...]) -> dict[str, int]:
    """Return insertion point -> channels that a detector has there."""
    found = {point: getattr(detector.backbone3d, point)[-1].weight.shape[-1] for point in voxel_points}
    for layer in layers:
        found[f"bev{layer}"] = detector.bev.blocks[layer].weight.shape[1]
    return found


def _adapter_flops(features: Any, weight: Any, pooled: int, *, out: Any) -> int:
    """Return the operations: each voxel's cell, a comparison per number that is pooled, the products, the sums over z."""
    return int(PER_CELL_OF_KEY * len(features) + features.numel() + pooled * (2 * weight.numel() + ADAPTED))


def _adapter_bytes(features: Any, weight: Any, pooled: int, *, out: Any) -> int:
    return operand_bytes(features, weight, out)


def _rows_flops(keys: Any, *, out: Any) -> int:
    return ADAPTED * len(keys)  # what is added to the planes; the product before it is torch's


def _rows_bytes(keys: Any, *, out: Any) -> int:
    return operand_bytes(keys, out)


cost.register("ada3d_adapter/numba", cost.Cost(_adapter_flops, _adapter_bytes, "float32"))
cost.register("ada3d_adapter/rows", cost.Cost(_rows_flops, _rows_bytes, "float32"))
