"""The detectors: voxels by their definition, the sparse BEV path equal to the dense one, boxes there and back."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from effbench.errors import BadInput
from effbench.kernels.recording import listening
from effbench.kernels.sparse_conv import SparseTensor
from effbench.lidar.detector.accounting import account
from effbench.lidar.detector.backbones import DenseBev, to_cells
from effbench.lidar.detector.blocks import MapBlock
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.decode import boxed, decode, peaks
from effbench.lidar.detector.filtering import FeatureFilter
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.detector.head import CenterHead, HeadMaps
from effbench.lidar.detector.losses import detection_losses, focal_loss
from effbench.lidar.detector.model import LidarDetector, load_detector, save_detector
from effbench.lidar.detector.spbn import SparsityPreservingNorm
from effbench.lidar.detector.targets import AXIS_RAD, Objects, radius_cells, targets_of
from effbench.lidar.detector.voxelise import voxelise
from effbench.lidar.frames import Frame

SMALL = VoxelGrid((0.0, -3.2, -2.0), (9.6, 3.2, 2.0), (0.2, 0.2, 0.5))
"""48 x 32 x 8 voxels, 24 x 16 cells: not square, so that swapped axes show."""


def cloud(points: int = 300, seed: int = 0) -> np.ndarray:
    """Return points [N, 4], some outside of the small grid."""
    rng = np.random.default_rng(seed)
    return rng.uniform((-1, -4, -2.5, 0), (10, 4, 2.5, 1), (points, 4)).astype(np.float32)


def small(**values: object) -> LidarDetector:
    """Return an untrained detector with statistics of its own in every norm."""
    torch.manual_seed(5)
    detector = LidarDetector(DetectorConfig(grid=SMALL, layers=3, **values))  # type: ignore[arg-type]
    detector.train()
    detector(detector.batch([voxelise(cloud(seed=seed), SMALL) for seed in (1, 2)]))
    for module in detector.modules():
        if isinstance(module, SparsityPreservingNorm | torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 2)
            if not isinstance(module, SparsityPreservingNorm):
                module.bias.data.uniform_(-0.5, 0.5)
                module.running_mean.uniform_(-0.5, 0.5)
    return detector.eval()


def test_voxels_are_the_means_of_their_points() -> None:
    points = cloud()
    voxels = voxelise(points, SMALL)
    low, size = np.array(SMALL.low), np.array(SMALL.voxel)
    held: dict[tuple[int, ...], list[np.ndarray]] = {}
    for point in points.astype(np.float64):
        cell = np.floor((point[:3] - low) / size).astype(int)
        if (cell >= 0).all() and (cell < np.array(SMALL.shape)[::-1]).all():
            held.setdefault(tuple(cell[::-1]), []).append(point)
    assert [tuple(c) for c in voxels.coordinates] == sorted(held)
    for cell, features, count in zip(voxels.coordinates, voxels.features, voxels.points):
        mean = np.mean(held[tuple(cell)], 0)
        offset = (mean[:3] - low) / size - (cell[::-1] + 0.5)
        np.testing.assert_allclose(features, [*offset, mean[2] / 2, mean[3]], atol=2e-5)
        assert count == len(held[tuple(cell)])


def test_no_points_no_voxels_and_nothing_found() -> None:
    detector = small()
    for how in ("dense", "sparse", "auto"):
        maps = detector.executed(how)(detector.batch([voxelise(np.zeros((0, 4), np.float32), SMALL)]))
        assert len(decode(maps, detector.config)) == 1


@pytest.mark.parametrize("points", [np.zeros((3, 3), np.float32), np.full((1, 4), np.nan, np.float32)])
def test_points_of_another_shape_or_not_finite_are_refused(points: np.ndarray) -> None:
    with pytest.raises(BadInput):
        voxelise(points, SMALL)


def test_a_grid_that_is_no_whole_number_of_voxels_is_refused() -> None:
    with pytest.raises(BadInput, match="along x"):
        VoxelGrid(voxel=(0.3, 0.2, 0.25))


def test_folding_the_height_is_a_view_of_the_dense_map() -> None:
    detector = small()
    voxels = detector.batch([voxelise(cloud(seed=seed), SMALL) for seed in (3, 4)])
    torch.testing.assert_close(to_cells(voxels).dense(), voxels.dense().flatten(1, 2))


@pytest.mark.parametrize("how", ["sparse", "auto"])
def test_the_sparse_path_is_the_dense_path(how: str) -> None:
    detector = small()
    voxels = detector.batch([voxelise(cloud(40, seed), SMALL) for seed in (6, 7)])
    dense, sparse = detector.executed("dense")(voxels), detector.executed(how)(voxels)  # type: ignore[arg-type]
    torch.testing.assert_close(sparse.heat, dense.heat, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(sparse.boxes, dense.boxes, atol=2e-5, rtol=1e-4)


def test_the_sparse_path_has_the_gradients_of_the_dense_path() -> None:
    torch.manual_seed(0)
    block = MapBlock(3, 4, "sp-bn").double()
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64) * (torch.rand(2, 1, 5, 7) < 0.3)
    over_map, over_cells = block(x), block(SparseTensor.from_dense(x))
    torch.testing.assert_close(over_cells.dense(), over_map)
    pull = torch.randn(over_map.shape, dtype=torch.float64)
    (of_map,) = torch.autograd.grad((over_map * pull).sum(), block.weight)
    (of_cells,) = torch.autograd.grad((over_cells.dense() * pull).sum(), block.weight)
    torch.testing.assert_close(of_cells, of_map)


def test_the_bev_backbone_maps_zero_to_zero() -> None:
    detector = small()
    assert isinstance(detector.bev, DenseBev)
    nothing = SparseTensor.from_dense(torch.zeros(1, int(detector.backbone3d.outputs), 16, 24))  # type: ignore[arg-type]
    for mode in (True, False):
        out = detector.bev.train(mode)(nothing, FeatureFilter())
        assert isinstance(out, torch.Tensor)
        assert out.abs().sum() == 0


def test_batch_norm_makes_the_whole_map_positive_and_therefore_runs_dense() -> None:
    detector = small(norm="batch").executed("sparse")
    voxels = detector.batch([voxelise(cloud(20), SMALL)])
    out = detector.bev(detector.backbone3d(voxels, detector.filter), detector.filter)
    assert isinstance(out, torch.Tensor)
    assert (out != 0).any(1).float().mean() > 0.95


def test_frames_of_a_batch_do_not_see_each_other() -> None:
    for bev in ("dense", "sparse", "pillar"):
        detector = small(bev=bev)
        alone = [detector(detector.batch([voxelise(cloud(seed=seed), SMALL)])).heat for seed in (8, 9)]
        both = detector(detector.batch([voxelise(cloud(seed=seed), SMALL) for seed in (8, 9)])).heat
        torch.testing.assert_close(both, torch.cat(alone), atol=2e-5, rtol=1e-4)


def test_the_fully_sparse_detector_adds_no_cell() -> None:
    detector = small(bev="sparse")
    voxels = detector.batch([voxelise(cloud(30), SMALL)])
    cells = detector.backbone3d(voxels, detector.filter)
    maps = detector(voxels)
    assert maps.seen is not None
    assert int(maps.seen.sum()) == len(cells.sites)


def test_boxes_come_back_from_their_targets() -> None:
    config = DetectorConfig(grid=SMALL)
    boxes = np.array(
        [
            [2.5, 1.1, -0.9, 4.0, 1.7, 1.5, 0.3],
            [7.1, -2.2, -0.8, 0.8, 0.6, 1.7, -3.0],
            [5.0, 0.0, -0.8, 1.8, 0.6, 1.7, 2.5],
        ]
    )
    targets = targets_of(Objects(boxes, np.array([0, 1, 2]), np.zeros(3, bool)), config)
    said = targets.boxes.astype(np.float64)
    said[:, 8] = said[:, 8] * 2 - 1
    back = boxed(said, targets.cells, config)
    for box in back:
        nearest = boxes[np.argmin(np.abs(boxes[:, :2] - box[:2]).sum(1))]
        np.testing.assert_allclose(box[:6], nearest[:6], atol=1e-4)
        np.testing.assert_allclose(np.cos(box[6] - nearest[6]), 1, atol=1e-6)
    assert AXIS_RAD != 0


def test_perfect_maps_give_perfect_detections() -> None:
    config = DetectorConfig(grid=SMALL)
    boxes = np.array([[2.5, 1.1, -0.9, 4.0, 1.7, 1.5, 0.3], [7.1, -2.2, -0.8, 0.8, 0.6, 1.7, -1.0]])
    targets = targets_of(Objects(boxes, np.array([0, 1]), np.zeros(2, bool)), config)
    rows, columns = SMALL.cells(2)
    heat = torch.logit(torch.from_numpy(targets.heat).clamp(1e-4, 1 - 1e-4))[None]
    maps = torch.zeros(1, 9, rows * columns)
    maps[0][:, targets.cells] = torch.from_numpy(targets.boxes).T
    maps[0, 8] = maps[0, 8] * 2 - 1
    (found,) = decode(HeadMaps(heat, maps.view(1, 9, rows, columns)), config)
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-4)


def test_a_fully_sparse_head_learns_at_the_nearest_occupied_cell() -> None:
    config, seen = DetectorConfig(grid=SMALL), np.zeros((16, 24), bool)
    seen[9, 7] = True
    box = np.array([[2.2, 0.2, -0.9, 4.0, 1.7, 1.5, 0.0]])  # centre in cell (8, 5)
    targets = targets_of(Objects(box, np.array([0]), np.zeros(1, bool)), config, seen)
    assert targets.heat[0, 9, 7] == 1
    assert targets.cells.tolist() == [9 * 24 + 7]
    np.testing.assert_allclose(targets.boxes[0, :2], [2.2 / 0.4 - 7.5, 3.4 / 0.4 - 9.5], atol=1e-5)


def test_an_ignored_object_is_neither_asked_for_nor_forbidden() -> None:
    config = DetectorConfig(grid=SMALL)
    box = np.array([[5.0, 0.0, -0.9, 4.0, 1.7, 1.5, 0.0]])
    targets = targets_of(Objects(box, np.array([0]), np.ones(1, bool)), config)
    assert targets.heat.max() == 0
    assert not targets.judged[0, 8, 12]
    assert targets.judged[1].all()


@pytest.mark.parametrize("size", [(10.0, 4.0), (2.0, 1.5), (30.0, 7.0)])
def test_corners_moved_by_the_radius_keep_the_overlap(size: tuple[float, float]) -> None:
    length, width = size
    radius = radius_cells(length, width, 0.3)
    shared = (length - radius) * (width - radius)
    ious = (
        shared / (2 * length * width - shared),
        max(0.0, length - 2 * radius) * max(0.0, width - 2 * radius) / (length * width),
        length * width / ((length + 2 * radius) * (width + 2 * radius)),
    )
    assert min(ious) == pytest.approx(0.3)


def test_the_focal_loss_equals_its_equation() -> None:
    torch.manual_seed(1)
    logits, heat = (
        torch.randn(1, 1, 2, 3, dtype=torch.float64),
        torch.tensor([[[[1.0, 0.5, 0.0], [0.2, 0.0, 0.0]]]]).double(),
    )
    judged = torch.ones(1, 1, 2, 3, dtype=torch.bool)
    judged[0, 0, 1, 2] = False
    p, want = logits.sigmoid(), 0.0
    for r in range(2):
        for c in range(3):
            yes, asked = float(p[0, 0, r, c]), float(heat[0, 0, r, c])
            if asked == 1:
                want -= (1 - yes) ** 2 * np.log(yes)
            elif judged[0, 0, r, c]:
                want -= (1 - asked) ** 4 * yes**2 * np.log(1 - yes)
    assert float(focal_loss(logits, heat, judged)) == pytest.approx(want)


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    detector = LidarDetector(DetectorConfig(grid=SMALL, layers=2)).train()
    voxels = detector.batch([voxelise(cloud(), SMALL)])
    objects = Objects(np.array([[5.0, 0.0, -0.9, 4.0, 1.7, 1.5, 0.0]]), np.array([0]), np.zeros(1, bool))
    targets, optimiser = [targets_of(objects, detector.config)], torch.optim.AdamW(detector.parameters(), 5e-3)
    losses = []
    for _ in range(12):
        loss = detection_losses(detector(voxels), targets).total()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_a_detector_comes_back_from_its_file(tmp_path: Path) -> None:
    detector = small(bev="sparse")
    save_detector(detector, tmp_path / "d.safetensors")
    again = load_detector(tmp_path / "d.safetensors")
    assert again.config == detector.config
    for one, other in zip(detector.parameters(), again.parameters()):
        torch.testing.assert_close(other, one, atol=1e-3, rtol=1e-3)
    (tmp_path / "no.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="no detector can be read"):
        load_detector(tmp_path / "no.safetensors")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"bev": "weird"}, "none of dense, sparse, pillar"),
        ({"norm": "x"}, "none of sp-bn, batch"),
        ({"classes": ["Car", "Car", "Car"]}, "each once is needed"),
        ({"classes": []}, "each once is needed"),
        ({"width": "a"}, "no positive number"),
        ({"width": float("nan")}, "no positive number"),
        ({"stride": 4}, "the backbone has 2"),
        ({"stride": "2"}, "the backbone has 2"),
        ({"layers": 0}, "is no count"),
        ({"grid": {"low": [0, 0], "high": [1, 1, 1], "voxel": [1, 1, 1]}}, "is not three numbers"),
        ({"grid": {"low": [0, 0, "a"], "high": [1, 1, 1], "voxel": [1, 1, 1]}}, "is not three numbers"),
        ({"grid": {"low": [0, 0, 0], "high": [4, 4, 4], "voxel": [1, 2, 1]}}, "BEV cells are squares"),
        ({"new": 1}, "unexpected keyword"),
    ],
)
def test_a_header_that_names_no_detector_of_ours_is_one_sentence(tmp_path: Path, changed: dict, why: str) -> None:
    config = json.loads(DetectorConfig(grid=SMALL).to_json()) | changed
    file = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(1)}, file, metadata={"config": json.dumps(config)})
    with pytest.raises(BadInput, match=why):
        load_detector(file)


def test_the_head_over_cells_is_the_head_over_the_map() -> None:
    torch.manual_seed(2)
    head = CenterHead(4, 8, 2, grows=True).eval()
    head.norm.running_mean.uniform_(-1, 1)
    x = torch.randn(2, 4, 6, 9) * (torch.rand(2, 1, 6, 9) < 0.1)
    dense, sparse = head(x), head(SparseTensor.from_dense(x))
    torch.testing.assert_close(sparse.heat, dense.heat)
    torch.testing.assert_close(sparse.boxes, dense.boxes)


def test_what_is_counted_is_what_is_multiplied() -> None:
    detector = small().executed("dense")
    frame = Frame("f", "", cloud(), np.zeros((0, 7)), (), np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
    dense = account(detector, [frame, frame])
    widths = [(int(detector.backbone3d.outputs), 32), (32, 32), (32, 32)]  # type: ignore[arg-type]
    assert dense.mean_macs("bev") == sum(16 * 24 * 9 * i * o for i, o in widths)
    assert dense.mean_macs("head") == 16 * 24 * (9 * 32 * 64 + 64 * 12)
    sparse = account(detector.executed("sparse"), [frame])
    voxels = detector.batch([voxelise(frame.points, SMALL)])
    detector.executed("dense")
    maps = [detector.backbone3d(voxels, detector.filter).dense()]
    for block in detector.bev.blocks:  # type: ignore[union-attr]
        maps.append(block(maps[-1]))
    ones = torch.ones(1, 1, 3, 3)
    pairs = 0
    for (inputs, outputs), x in zip(
        widths, maps
    ):  # every occupied cell meets each of its neighbours inside the map once
        reach = torch.nn.functional.conv2d(torch.ones(1, 1, 16, 24), ones, padding=1)
        pairs += int((reach * (x != 0).any(1)[:, None]).sum()) * inputs * outputs
    assert sparse.mean_macs("bev") == pytest.approx(pairs, rel=0.02)  # a site whose features ReLU ended still counts
    assert sparse.mean_filled()["bev.blocks.0"] == pytest.approx(float((maps[1] != 0).any(1).float().mean()))


def test_maps_are_counted_by_their_look_ups_and_again_after_a_drop() -> None:
    class Half(FeatureFilter):
        def voxels(self, point: str, x: SparseTensor) -> SparseTensor:
            return x.select(torch.arange(len(x.sites)) % 2 == 0) if point == "conv2" else x

    looked_up: list[int] = []

    def hear(name: str, args: tuple[Any, ...], out: Any) -> None:
        if name == "sparse_conv/map":
            _, onto, window = args
            looked_up.append(len(onto) * window.taps if max(window.stride) == 1 else 2 * out.total)

    frame = Frame("f", "", cloud(), np.zeros((0, 7)), (), np.zeros(0), np.zeros(0, np.int64), np.zeros(0))
    detector, found = small().executed("dense"), []
    for drop in (FeatureFilter(), Half()):
        detector.filter = drop
        voxels = detector.batch([voxelise(frame.points, SMALL)])
        looked_up.clear()
        with torch.no_grad(), listening(hear):
            detector(voxels, [frame])
        counted = account(detector, [frame])
        assert counted.mean_macs("maps") == sum(looked_up) and counted.mean_macs("choice") == 0
        found.append(list(looked_up))
    assert len(found[1]) >= len(found[0])  # a drop makes no map of what came before it, and none after it can be kept


def test_peaks_are_those_of_a_pooled_heat_map() -> None:
    drawn = torch.Generator().manual_seed(11)
    logits = (torch.randn(2, 3, 9, 14, generator=drawn) * 4).round() / 2  # with ties
    seen = torch.rand(2, 9, 14, generator=drawn) < 0.7
    logits[0, 0, 4, 4:6] = 60  # equal once they are scores, as are 60 and 61
    logits[0, 0, 4, 5] = 61
    for heat, asked in zip(logits, seen):
        pooled = torch.sigmoid(heat) * asked
        wanted = (torch.nn.functional.max_pool2d(pooled, 3, 1, 1) == pooled) & (pooled > 0.05)
        scores, places = peaks(heat.numpy(), asked.numpy(), 0.05)
        assert sorted(places.tolist()) == wanted.flatten().nonzero()[:, 0].tolist()
        np.testing.assert_allclose(scores, pooled.flatten()[torch.from_numpy(places)], rtol=1e-6)


def test_what_is_kept_of_parameters_follows_them() -> None:
    detector = small()
    voxels = detector.batch([voxelise(cloud(), SMALL)])
    with torch.no_grad():
        for how in ("dense", "sparse"):
            detector.executed(how)  # type: ignore[arg-type]
            before = detector(voxels).heat
            state = {name: value.clone() for name, value in detector.state_dict().items()}
            for parameter in detector.parameters():
                parameter.mul_(0.9)
            after = detector(voxels).heat
            fresh = LidarDetector(detector.config).eval().executed(how)  # type: ignore[arg-type]
            fresh.load_state_dict(detector.state_dict())
            assert torch.equal(after, fresh(voxels).heat)
            assert not torch.equal(after, before)
            detector.load_state_dict(state)
            assert torch.equal(detector(voxels).heat, before)
            copied = pickle.loads(pickle.dumps(detector))
            assert torch.equal(copied(voxels).heat, before)


def test_evaluation_with_gradients_has_those_of_the_plain_words() -> None:
    detector = small(bev="sparse")
    voxels = detector.batch([voxelise(cloud(), SMALL)])
    detector(voxels).heat.sum().backward()
    block = detector.backbone3d.conv1[0]  # type: ignore[index]
    by_hand = block.weight.grad.clone()
    step = torch.randn(block.weight.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        moved = []
        for side in (1e-3, -1e-3):
            block.weight += side * step
            moved.append(float(detector(voxels).heat.double().sum()))
            block.weight -= side * step
    assert float((by_hand * step).sum()) == pytest.approx((moved[0] - moved[1]) / 2e-3, rel=0.05)
