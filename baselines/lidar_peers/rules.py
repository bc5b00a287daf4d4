"""Rules by which cells are dropped without anything learned: at random, by range, by density, by magnitude, by the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from effbench.api import noise_seed
from effbench.kernels.sparse_conv import SparseTensor
from effbench.lidar.cells import CellStates
from effbench.lidar.detector.blocks import Features
from effbench.lidar.detector.config import DetectorConfig
from effbench_baselines.ada3d.dropping import CellDropper
from effbench_baselines.ada3d.selecting import CELL_GUIDANCE, VOXEL_GUIDANCE, Guidance, cells_of, guided

Rule = Callable[[CellDropper, Features, torch.Tensor, Guidance], torch.Tensor]


class RuleDropper(CellDropper):  # type: ignore[misc]
    """Drops by a rule: scores of cells from the filter, the features, the occupied cells and where the guidance is."""

    def __init__(
        self,
        rule: str,
        config: DetectorConfig,
        voxel_keep: Mapping[str, float],
        cell_keep: Mapping[int, float],
        seed: int = 0,
    ) -> None:
        super().__init__(voxel_keep, cell_keep)
        self.rule, self.config, self.seed = RULES[rule], config, seed

    def voxel_scores(self, point: str, x: SparseTensor, valid: torch.Tensor) -> torch.Tensor:
        """Return the rule's scores."""
        return self.rule(self, x, valid, VOXEL_GUIDANCE)

    def cell_scores(self, layer: int, x: Features, valid: torch.Tensor) -> torch.Tensor:
        """Return the rule's scores."""
        return self.rule(self, x, valid, CELL_GUIDANCE)


def at_random(drop: RuleDropper, x: Features, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return a score per cell that depends on the frame and the seed alone: what is dropped once stays dropped."""
    named = ",".join(frame.name for frame in drop.frames)
    drawn = torch.Generator().manual_seed(noise_seed(f"drop:{named}", drop.seed) % 2**63)
    return torch.rand(valid.shape, generator=drawn)


def by_distance(drop: RuleDropper, x: Features, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return scores that fall with the distance from the sensor: far cells go first."""
    return -_distance_m(drop, valid)


def by_density(drop: RuleDropper, x: Features, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return Ada3D's guidance with nothing to guide: what stands alone stays."""
    scores: torch.Tensor = guided(torch.ones(valid.shape), valid, guidance)
    return scores


def by_magnitude(drop: RuleDropper, x: Features, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return the mean absolute feature of a cell, the largest of its column: SPS-Conv's measure (NeurIPS 2022)."""
    if not isinstance(x, SparseTensor):
        return x.detach().abs().mean(1)
    stride = x.sites.shape[-1] // valid.shape[-1]
    batch, row, column = cells_of(x, stride)
    _, rows, columns = valid.shape
    flat = torch.zeros(valid.numel())
    where = (batch * rows + row) * columns + column
    return flat.scatter_reduce(0, where, x.features.detach().abs().mean(1), "amax").view(valid.shape)


def by_truth(drop: RuleDropper, x: Features, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return 1 and more inside true boxes, below 1 and random outside: what no method can know."""
    inside = torch.zeros(valid.shape)
    _, rows, columns = valid.shape
    size = drop.config.grid.cell_m(drop.config.stride)
    for number, frame in enumerate(drop.frames):
        empty = torch.zeros(rows, columns, dtype=torch.uint8).numpy()
        cells = CellStates(empty, drop.config.grid.low[:2], (size, size))
        grown = frame.boxes.copy()
        grown[:, 3:5] += 2 * size  # a cell that a box only touches holds points of it too
        inside[number] = torch.from_numpy(cells.inside(grown))
    return inside + at_random(drop, x, valid, guidance) * 0.5


def _distance_m(drop: RuleDropper, valid: torch.Tensor) -> torch.Tensor:
    grid, size = drop.config.grid, drop.config.grid.cell_m(drop.config.stride)
    y = grid.low[1] + (torch.arange(valid.shape[1]) + 0.5) * size
    x = grid.low[0] + (torch.arange(valid.shape[2]) + 0.5) * size
    return (x[None].square() + y[:, None].square()).sqrt().expand(valid.shape)


RULES: Mapping[str, Rule] = {
    "random": at_random,
    "distance": by_distance,
    "density": by_density,
    "magnitude": by_magnitude,
    "oracle": by_truth,
}
"""Name -> rule."""
