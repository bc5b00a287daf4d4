"""The recipe of the LiDAR detectors: every frame once an epoch, a resumed training ends where an undisturbed one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.detector.learning import batch_at
from effbench.lidar.detector.model import load_detector
from effbench.zoo.lidar_detectors import train as recipes
from effbench.zoo.lidar_detectors.export import FOLDER, shipped_in
from effbench.zoo.lidar_detectors.train import RECIPES, DetectorRecipe, train

TINY = DetectorConfig(grid=VoxelGrid((0.0, -6.4, -2.5), (12.8, 6.4, 1.5), (0.4, 0.4, 0.5)), width=0.25, layers=2)


def test_every_frame_is_seen_once_an_epoch_in_an_order_of_its_own() -> None:
    epochs = [[i for step in range(5 * e, 5 * e + 5) for i in batch_at(step, 20, 0)] for e in range(2)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(20))] * 2
    assert epochs[0] != epochs[1]
    assert batch_at(3, 20, 1) != batch_at(3, 20, 0)


def test_names_say_what_is_trained() -> None:
    assert RECIPES["dense"].norm == "sp-bn"
    assert RECIPES["sparse"].bev == "sparse"
    assert DetectorRecipe("dense", RECIPES["dense"], 2000, 3).steps == 1500


def test_a_killed_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effbench.zoo.fitting.CHECKPOINT_S", 0.0)
    monkeypatch.setattr(recipes, "WATCHED", 1)
    recipe = DetectorRecipe("tiny", TINY, frames=4, epochs=3)
    whole = train(recipe, tmp_path / "whole")
    steps = iter(range(100))

    def killed(detector: object, examples: object) -> torch.Tensor:
        if next(steps) == 2:
            raise KeyboardInterrupt
        return again(detector, examples)  # type: ignore[arg-type]

    again = recipes.loss_of_batch
    monkeypatch.setattr(recipes, "loss_of_batch", killed)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "killed")
    monkeypatch.setattr(recipes, "loss_of_batch", again)
    resumed = train(recipe, tmp_path / "killed")
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values()):
        torch.testing.assert_close(other, one)


def test_an_export_keeps_what_ships_already(tmp_path: Path) -> None:
    assert shipped_in(tmp_path) == {}
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "dense.safetensors").write_bytes(b"")
    (tmp_path / "card.yaml").write_text("detectors: {dense: {parameters: 5}, gone: {parameters: 6}}")
    assert shipped_in(tmp_path) == {"dense": {"parameters": 5}}


def test_everything_that_ships_can_be_trained_again_and_is_small() -> None:
    shipped = shipped_in(FOLDER)
    assert set(shipped) <= set(RECIPES)
    for name in shipped:
        assert (FOLDER / "weights" / f"{name}.safetensors").stat().st_size <= 2 << 20
        assert load_detector(FOLDER / "weights" / f"{name}.safetensors").config == RECIPES[name]
