"""Ada3D's filter: which cells stay, what they carry with them, and that the predictor never moves the detector."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from effbench.errors import BadInput
from effbench.kernels.sparse_conv import SparseTensor
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.detector.voxelise import voxelise
from effbench_baselines.ada3d.importance import Ada3dFilter, channels_at
from effbench_baselines.ada3d.reference import local_density
from effbench_baselines.ada3d.selecting import Guidance, best_cells, guided, in_kept_columns, occupancy
from effbench_baselines.ada3d.training import predicted_together

SMALL = VoxelGrid((0.0, -3.2, -2.0), (9.6, 3.2, 2.0), (0.2, 0.2, 0.5))
"""48 x 32 x 8 voxels, 24 x 16 cells."""
VOXELS, LAYERS = ("conv1", "conv2"), (1, 2)


def cloud(points: int = 200, seed: int = 0) -> np.ndarray:
    """Return points [N, 4] in the small grid."""
    rng = np.random.default_rng(seed)
    return rng.uniform((0, -3, -2, 0), (9.6, 3, 2, 1), (points, 4)).astype(np.float32)


def filtered(voxels: float, cells: float, seed: int = 0) -> LidarDetector:
    """Return an untrained detector with an untrained filter at all points."""
    torch.manual_seed(seed)
    detector = LidarDetector(DetectorConfig(grid=SMALL, layers=3))
    detector.filter = Ada3dFilter(
        channels_at(detector, VOXELS, LAYERS), 3, dict.fromkeys(VOXELS, voxels), dict.fromkeys(LAYERS, cells)
    )
    return detector.eval()


def batch(detector: LidarDetector) -> SparseTensor:
    """Return the voxels of two frames, one emptier."""
    return detector.batch([voxelise(cloud(200, 1), SMALL), voxelise(cloud(60, 2), SMALL)])


@pytest.mark.parametrize("how", ["dense", "sparse"])
def test_keeping_all_is_bit_identical_to_no_filter(how: str) -> None:
    with_filter, without = filtered(1.0, 1.0), filtered(1.0, 1.0)
    without.filter = type(without).__init__.__globals__["FeatureFilter"]()
    voxels = batch(with_filter)
    got, want = (d.executed(how)(voxels) for d in (with_filter, without))  # type: ignore[arg-type]
    assert torch.equal(got.heat, want.heat)
    assert torch.equal(got.boxes, want.boxes)


@pytest.mark.parametrize("how", ["dense", "sparse", "auto"])
@pytest.mark.parametrize("ratios", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_keeping_nothing_runs_on_empty_tensors(how: str, ratios: tuple[float, float]) -> None:
    detector = filtered(*ratios).executed(how)  # type: ignore[arg-type]
    heat = detector(batch(detector)).heat
    assert torch.allclose(heat, heat[..., :1, :1].expand_as(heat), atol=1e-6)


@pytest.mark.parametrize("how", ["sparse", "auto"])
def test_the_filtered_sparse_path_is_the_filtered_dense_path(how: str) -> None:
    detector = filtered(0.7, 0.5)
    voxels = batch(detector)
    dense, sparse = detector.executed("dense")(voxels), detector.executed(how)(voxels)  # type: ignore[arg-type]
    torch.testing.assert_close(sparse.heat, dense.heat, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("keep", [0.0, 0.29, 0.5, 0.75, 1.0])
def test_as_many_cells_stay_as_the_ratio_says(keep: float) -> None:
    valid = (
        torch.rand(3, 9, 14, generator=torch.Generator().manual_seed(1)) < torch.tensor([0.1, 0.5, 0.0])[:, None, None]
    )
    scores = torch.rand(3, 9, 14, generator=torch.Generator().manual_seed(2))
    kept = best_cells(scores, valid, keep)
    for own, all_ in zip(kept, valid):
        assert int(own.sum()) == int(np.floor(keep * int(all_.sum()) + 1e-9))
    assert not (kept & ~valid).any()  # what the released code gets wrong


def test_of_100_cells_29_percent_are_29() -> None:
    assert int(best_cells(torch.rand(1, 10, 10), torch.ones(1, 10, 10, dtype=torch.bool), 0.29).sum()) == 29


def test_an_empty_cell_is_never_kept_whatever_guidance_says() -> None:
    valid = torch.zeros(1, 16, 16, dtype=torch.bool)
    valid[0, 3, 3] = valid[0, 12, 9] = True
    scores = torch.ones(1, 16, 16)
    scores[valid] = 0.01  # importance is above zero everywhere, and density is least where nothing is
    kept = best_cells(guided(scores, valid, Guidance(0.2, 4)), valid, 1.0 - 1e-6)
    assert int(kept.sum()) == 1
    assert not (kept & ~valid).any()


def test_ties_go_to_the_first_cell() -> None:
    valid = torch.ones(1, 4, 5, dtype=torch.bool)
    kept = best_cells(torch.ones(1, 4, 5), valid, 0.5)
    assert kept.flatten().tolist() == [True] * 10 + [False] * 10


def test_a_larger_ratio_keeps_what_a_smaller_one_keeps() -> None:
    valid = torch.rand(2, 12, 8, generator=torch.Generator().manual_seed(3)) < 0.5
    scores = (torch.rand(2, 12, 8, generator=torch.Generator().manual_seed(4)) * 5).round()  # with ties
    before = best_cells(scores, valid, 0.0)
    for keep in (0.1, 0.3, 0.6, 0.9, 1.0):
        now = best_cells(scores, valid, keep)
        assert not (before & ~now).any()
        before = now


@pytest.mark.parametrize("keep", [-0.1, 1.5])
def test_a_ratio_that_is_no_share_is_refused(keep: float) -> None:
    with pytest.raises(BadInput, match="keep ratio"):
        best_cells(torch.ones(1, 2, 2), torch.ones(1, 2, 2, dtype=torch.bool), keep)


def test_whole_columns_stay() -> None:
    detector = filtered(1.0, 1.0)
    x = batch(detector)
    valid = occupancy(x, 2)
    kept = best_cells(torch.rand(valid.shape, generator=torch.Generator().manual_seed(5)), valid, 0.4)
    left = in_kept_columns(x, kept, 2)
    assert torch.equal(occupancy(left, 2), kept)
    cells = {(b, y // 2, c // 2) for b, y, c in zip(*kept.nonzero().T.tolist()) for b, y, c in [(b, 2 * y, 2 * c)]}
    stays = [(b, y // 2, c // 2) in cells for b, _, y, c in x.sites.coordinates.tolist()]
    assert torch.equal(left.sites.coordinates, x.sites.coordinates[torch.tensor(stays)])
    assert torch.equal(left.features, x.features[torch.tensor(stays)])


def test_without_alpha_the_scores_are_the_plain_ones() -> None:
    valid = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(6)) < 0.4
    scores = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(7))
    assert torch.equal(guided(scores, valid, Guidance(0.0, 4)), scores * valid)


def test_density_is_the_occupied_share_of_the_square() -> None:
    valid = torch.zeros(1, 4, 6, dtype=torch.bool)
    valid[0, 0, 0] = valid[0, 1, 1] = valid[0, 3, 5] = True
    density = local_density(valid, 4)  # squares (rows 0-3, columns 0-3) and (rows 0-3, columns 4-5)
    assert density[0, 2, 3].item() == pytest.approx(2 / 16)
    assert density[0, 0, 5].item() == pytest.approx(1 / 8)


def test_guidance_keeps_more_of_what_is_far() -> None:
    drawn = torch.Generator().manual_seed(8)
    share = torch.linspace(0.9, 0.05, 64)[None, None]  # columns are range: far ones are emptier
    valid = torch.rand(1, 64, 64, generator=drawn) < share
    scores = torch.rand(1, 64, 64, generator=drawn) * 0.5 + 0.5
    far = [
        float((best_cells(guided(scores, valid, g), valid, 0.5) & valid)[..., 48:].sum())
        for g in (Guidance(0, 8), Guidance(0.2, 8))
    ]
    assert far[1] > 1.2 * far[0]


def test_the_predictors_loss_never_reaches_the_detector() -> None:
    detector = filtered(1.0, 1.0)
    assert isinstance(detector.filter, Ada3dFilter)
    detector.filter.learning = True
    detector.filter.train()
    detector(batch(detector))
    assert len(detector.filter.adapted) == 4
    sum(y.square().mean() for y in predicted_together(detector.filter)).backward()  # type: ignore[union-attr]
    for name, parameter in detector.named_parameters():
        moved = parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        assert moved == name.startswith("filter."), name


def test_a_frozen_predictor_stays_in_evaluation() -> None:
    detector = filtered(0.7, 0.5)
    assert isinstance(detector.filter, Ada3dFilter)
    before = {name: value.clone() for name, value in detector.filter.state_dict().items()}
    detector.train()(batch(detector)).heat.sum().backward()
    assert not detector.filter.training
    assert all(torch.equal(value, before[name]) for name, value in detector.filter.state_dict().items())
    assert all(parameter.grad is None for parameter in detector.filter.parameters())


def test_the_predictor_is_as_small_as_the_paper_says() -> None:
    detector = filtered(1.0, 1.0)
    assert isinstance(detector.filter, Ada3dFilter)
    weights = sum(m.weight.numel() for m in detector.filter.predictor.modules() if isinstance(m, torch.nn.Conv2d))
    assert weights == 72 + 144 + 144 + 24


def test_a_dropped_cell_is_reported() -> None:
    detector = filtered(0.7, 0.5)
    assert isinstance(detector.filter, Ada3dFilter)
    detector(batch(detector))
    assert [dropped.point for dropped in detector.filter.dropped] == ["conv1", "conv2", "bev1", "bev2"]
    for dropped in detector.filter.dropped:
        assert not (dropped.kept & ~dropped.valid).any()
        assert dropped.kept.sum() < dropped.valid.sum()
