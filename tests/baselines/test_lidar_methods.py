"""The LiDAR methods keep the contract on the task, with a detector of random weights and of voxels of 0.8 m."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from effbench.api import Method, Unsupported
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.detector.model import LidarDetector, save_detector
from effbench.tasks.lidar_detection.task import LidarDetection
from effbench.testing import check_method
from effbench_baselines.ada3d.method import Ada3d
from effbench_baselines.ada3d.variants import ratios
from effbench_baselines.lidar_peers.method import LidarBev, LidarDetectorPeer, LidarDrop, LidarFocals, LidarInt8

GRID = VoxelGrid(voxel=(0.8, 0.8, 0.25))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of random weights: ``dense`` and ``sparse``."""
    folder = tmp_path_factory.mktemp("detectors")
    for bev in ("dense", "sparse"):
        torch.manual_seed(1)
        detector = LidarDetector(DetectorConfig(grid=GRID, bev=bev, layers=6))  # type: ignore[arg-type]
        torch.nn.init.normal_(detector.head.out.weight, std=0.3)
        save_detector(detector, folder / f"{bev}.safetensors")
    return folder


def task(weights: Path) -> LidarDetection:
    """Return the task on that detector."""
    return LidarDetection(LidarDetection.Params(system=str(weights / "dense.safetensors"), frames=2))


CASES: tuple[tuple[type[Method], dict[str, object]], ...] = (
    (Ada3d, {"training": "full", "predictor_steps": 1, "tuning_steps": 1, "frames": 4}),
    (LidarDrop, {"rule": "random"}),
    (LidarDrop, {"rule": "oracle", "execution": "dense"}),
    (LidarFocals, {}),
    (LidarBev, {"execution": "sparse"}),
    (LidarInt8, {}),
)


@pytest.mark.parametrize(("method", "params"), CASES, ids=lambda value: getattr(value, "name", None) or "")
def test_keeps_the_contract(method: type[Method], params: dict[str, object], weights: Path) -> None:
    check_method(method, params=method.Params(**params), task=task(weights), rtol=0.05)


def test_another_detector_is_another_system(weights: Path) -> None:
    ours = task(weights)
    from effbench.api import Artifact, Context

    peer = LidarDetectorPeer(LidarDetectorPeer.Params(system=str(weights / "sparse.safetensors")))
    system = peer.apply(ours.load(Context()), Artifact())
    assert system.name == "sparse"
    assert system.detector.config.bev == "sparse"


def test_shipped_weights_are_refused_on_another_detector(weights: Path) -> None:
    from effbench.api import Context

    with pytest.raises(Unsupported, match="training: full"):
        Ada3d().prepare(task(weights).load(Context()), Context())


def test_a_fully_sparse_detector_loses_voxels_alone(weights: Path) -> None:
    from effbench.api import Context

    ours = LidarDetection(LidarDetection.Params(system=str(weights / "sparse.safetensors"), frames=2))
    ctx = Context(calibration=lambda: list(ours.samples("calibration"))[:2], run=ours.run)
    with pytest.raises(Unsupported, match="say variant: voxels"):
        Ada3d().prepare(ours.load(ctx), ctx)
    short = {"variant": "voxels", "training": "full", "predictor_steps": 1, "tuning_steps": 1, "frames": 4}
    method = Ada3d(Ada3d.Params(**short))
    system = method.apply(ours.load(ctx), method.prepare(ours.load(ctx), ctx))
    ours.run(system, ours.samples("evaluation"), 0)
    assert [entry.point for entry in system.detector.filter.dropped] == ["conv1", "conv2"]
    assert all(entry.kept.sum() < entry.valid.sum() for entry in system.detector.filter.dropped)
    with pytest.raises(Unsupported, match="of voxels were tuned from zoo:lidar-detectors/sparse"):
        Ada3d(Ada3d.Params(variant="voxels")).prepare(ours.load(ctx), ctx)


def test_facts_say_what_the_filter_did(weights: Path) -> None:
    from effbench.api import Context

    ours = task(weights)
    ctx = Context(calibration=lambda: ours.samples("calibration"), run=ours.run)
    method = LidarDrop(LidarDrop.Params(rule="random", voxel_keep=(0.5,), cell_keep=(0.5, 1.0, 1.0)))
    system = method.apply(ours.load(ctx), method.prepare(ours.load(ctx), ctx))
    facts = {name: fact.value for name, fact in method.facts(system).items()}  # type: ignore[union-attr]
    assert facts["macs_2d"] > 0 and facts["macs_3d"] > 0 and facts["macs_predictor"] == 0
    assert facts["macs_choice"] > 0 and facts["macs_maps"] > 0
    assert 0 < facts["density_bev_0"] < facts["density_bev_3"] <= 1


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0001, 1.5, float("nan")])
@pytest.mark.parametrize("params", [Ada3d.Params, LidarDrop.Params])
@pytest.mark.parametrize("name", ["voxel_keep", "cell_keep"])
def test_a_share_of_nothing_or_more_than_all_is_refused(params: Any, name: str, share: float) -> None:
    points = 1 if name == "voxel_keep" else 3
    for place in range(points):
        with pytest.raises(ValueError, match=rf"{name}\.{place}"):
            params(**{name: (0.5,) * place + (share,) + (0.5,) * (points - 1 - place)})
    assert getattr(params(**{name: (1.0,) * points}), name) == (1.0,) * points


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0001, float("nan")])
def test_no_growth_and_more_than_all_of_it_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="spread"):
        LidarFocals.Params(spread=share)
    assert LidarFocals.Params(spread=1.0).spread == 1.0


def test_as_many_shares_as_insertion_points_are_asked_for() -> None:
    with pytest.raises(ValidationError, match="cell_keep has 2 shares, and variant B has 3 such points: 1, 3, 5"):
        Ada3d.Params(cell_keep=(0.5, 0.5))
    with pytest.raises(ValidationError, match="cell_keep has 1 shares, and variant voxels has 0 such points: none"):
        Ada3d.Params(variant="voxels", cell_keep=(0.5,))
    with pytest.raises(ValidationError, match="voxel_keep has 1 shares, and variant A has 0 such points: none"):
        LidarDrop.Params(variant="A", voxel_keep=(0.5,))


def test_variants_drop_more_from_a_to_c() -> None:
    kept = [
        np.prod([*ratios(Ada3d.Params(variant=v))[0].values(), *ratios(Ada3d.Params(variant=v))[1].values()])
        for v in "ABC"
    ]
    assert kept == sorted(kept, reverse=True)


def test_the_shipped_weights_run_on_the_shipped_detector_and_cost_a_fraction() -> None:
    from effbench.api import Context

    ours = LidarDetection(LidarDetection.Params(frames=1))
    ctx = Context(calibration=lambda: list(ours.samples("calibration"))[:2], run=ours.run)
    method = Ada3d()
    system = method.apply(ours.load(ctx), method.prepare(ours.load(ctx), ctx))
    (output,) = ours.run(system, ours.samples("evaluation"), 0)
    assert len(output["boxes"])
    facts = {name: fact.value for name, fact in method.facts(system).items()}  # type: ignore[union-attr]
    dense = 9 * 128 * 128 * (64 * 32 + 5 * 32 * 32) / 1e6  # what the six 3x3 convolutions cost over the whole map
    assert 0 < facts["macs_predictor"] < facts["macs_2d"] < dense / 3
    assert facts["voxels_conv_out"] < facts["voxels_conv2_2"]


@pytest.mark.parametrize(("density_guidance", "named"), [(True, "B"), (False, "B-plain")])
def test_every_shipped_file_is_what_its_card_says(density_guidance: bool, named: str) -> None:
    from effbench_baselines.ada3d.preparing import file_of, shipped_state

    assert file_of(Ada3d.Params(density_guidance=density_guidance)) == named
    assert shipped_state(named)
    with pytest.raises(Unsupported, match="no tuned weights of D ship"):
        shipped_state("D")


def test_weights_of_another_loss_are_found_by_it_and_none_were_tuned_without_guidance_or_predictor() -> None:
    from effbench_baselines.ada3d.preparing import file_of

    assert file_of(Ada3d.Params(predictor_loss="squared")) == "B-squared"
    assert file_of(Ada3d.Params(predictor_loss="cross-entropy")) == "B"
    assert file_of(Ada3d.Params(variant="released", predictor_loss="squared")) == "released"
    for off in ("predictor", "density_guidance"):
        with pytest.raises(Unsupported, match=f"predictor_loss: squared and {off}: false"):
            file_of(Ada3d.Params(predictor_loss="squared", **{off: False}))
