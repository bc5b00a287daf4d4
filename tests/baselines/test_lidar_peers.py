"""The peers' rules do what their names say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from effbench.kernels.sparse_conv import SparseTensor
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.frames import Frame
from effbench_baselines.lidar_peers.focals import FocalGrowth
from effbench_baselines.lidar_peers.int8 import input_ranges, to_int8
from effbench_baselines.lidar_peers.rules import RULES, RuleDropper

SMALL = VoxelGrid((0.0, -3.2, -2.0), (9.6, 3.2, 2.0), (0.2, 0.2, 0.5))
CONFIG = DetectorConfig(grid=SMALL, layers=3)
BOX = np.array([[4.0, 0.5, -1.0, 1.6, 0.8, 1.0, 0.4]])


def frame(name: str = "a") -> Frame:
    """Return a frame of points everywhere with one car."""
    rng = np.random.default_rng(3)
    points = rng.uniform((0, -3.2, -2, 0), (9.6, 3.2, 2, 1), (400, 4)).astype(np.float32)
    return Frame(name, "", points, BOX, ("Car",), np.zeros(1), np.zeros(1, np.int64), np.full(1, 60.0))


def detector(rule: str | None = None, keep: float = 0.5) -> LidarDetector:
    """Return an untrained detector that drops by a rule."""
    torch.manual_seed(0)
    made = LidarDetector(CONFIG).eval()
    if rule is not None:
        made.filter = RuleDropper(rule, CONFIG, {"conv1": keep, "conv2": keep}, {1: keep})
    return made


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("how", ["dense", "sparse"])
def test_every_rule_keeps_as_many_and_the_same_every_time(rule: str, how: str) -> None:
    ours = detector(rule).executed(how)  # type: ignore[arg-type]
    first = ours.detect([frame()])[0]
    kept = [entry.kept.clone() for entry in ours.filter.dropped]  # type: ignore[union-attr]
    again = ours.detect([frame()])[0]
    np.testing.assert_array_equal(first.scores, again.scores)
    for entry, before in zip(ours.filter.dropped, kept):  # type: ignore[arg-type, call-overload]
        assert torch.equal(entry.kept, before)
        assert int(entry.kept.sum()) == int(entry.valid.sum()) // 2


def test_random_drops_depend_on_frame_and_seed() -> None:
    masks = []
    for name, seed in (("a", 0), ("b", 0), ("a", 1)):
        ours = detector()
        ours.filter = RuleDropper("random", CONFIG, {"conv1": 0.5}, {}, seed)
        ours.detect([frame(name)])
        masks.append(ours.filter.dropped[0].kept)
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_the_far_cells_go_first_by_distance() -> None:
    ours = detector("distance")
    ours.detect([frame()])
    valid, kept = ours.filter.dropped[0].valid[0], ours.filter.dropped[0].kept[0]  # type: ignore[union-attr, index]
    rows, columns = np.nonzero(kept.numpy())
    lost_rows, lost_columns = np.nonzero((valid & ~kept).numpy())
    away = [np.hypot((r + 0.5) * 0.4 - 3.2, (c + 0.5) * 0.4) for r, c in ((rows, columns), (lost_rows, lost_columns))]
    assert away[0].max() <= away[1].min() + 1e-6


def test_the_oracle_loses_no_cell_inside_a_box() -> None:
    ours = detector("oracle", 0.1)
    ours.detect([frame()])
    valid, kept = ours.filter.dropped[0].valid[0], ours.filter.dropped[0].kept[0]  # type: ignore[union-attr, index]
    row, column = int((0.5 + 3.2) / 0.4), int(4.0 / 0.4)
    assert torch.equal(
        kept[row - 1 : row + 2, column - 1 : column + 2], valid[row - 1 : row + 2, column - 1 : column + 2]
    )


def test_magnitude_is_the_same_over_map_and_cells() -> None:
    x = torch.randn(1, 3, 16, 24) * (torch.rand(1, 1, 16, 24) < 0.3)
    drop, valid = RuleDropper("magnitude", CONFIG, {}, {}), (x != 0).any(1)
    over_map = drop.cell_scores(1, x, valid)
    over_cells = drop.cell_scores(1, SparseTensor.from_dense(x), valid)
    torch.testing.assert_close(over_cells, over_map)


@pytest.mark.parametrize("spread", [0.01, 0.5, 1.0])
def test_focal_growth_is_between_none_and_all(spread: float) -> None:
    ours = detector()
    ours.filter = FocalGrowth(spread)
    outs = []
    for how in ("dense", "sparse"):
        outs.append(ours.executed(how).detect([frame()])[0].scores)  # type: ignore[arg-type]
        for entry in ours.filter.dropped:
            assert not (entry.kept & ~entry.valid).any()
            assert spread < 1 or torch.equal(entry.kept, entry.valid)
    np.testing.assert_allclose(outs[0], outs[1], atol=1e-5)


def test_int8_is_close_to_what_it_replaces() -> None:
    ours = detector()
    voxels = ours.batch(
        [__import__("effbench.lidar.detector.voxelise", fromlist=["voxelise"]).voxelise(frame().points, SMALL)]
    )
    with torch.no_grad():
        want = ours.executed("dense")(voxels).heat
        to_int8(ours, input_ranges(ours, [frame()]))
        got = ours(voxels).heat
    assert float((got - want).abs().max()) < 0.1 * float((want - want.mean()).abs().max()) + 0.05
