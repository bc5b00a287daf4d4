"""Stages 2 and 3: the predictor learns where objects are, the detector learns under the filter, a killed stage goes on."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from effbench.errors import BadInput
from effbench.lidar.detector.config import DetectorConfig
from effbench.lidar.detector.grid import VoxelGrid
from effbench.lidar.detector.model import LidarDetector
from effbench.lidar.detector.targets import Objects
from effbench.lidar.frames import Frame
from effbench.yamlplain import plain_yaml
from effbench_baselines.ada3d.importance import Ada3dFilter, channels_at
from effbench_baselines.ada3d.preparing import WEIGHTS
from effbench_baselines.ada3d.training import (
    Stage,
    fine_tune,
    importance_target,
    predicted_together,
    predictor_loss,
    train_predictor,
)
from effbench_baselines.ada3d.tuned import CONTROL, LEARNED, shares_told, ship
from effbench_baselines.ada3d.variants import VARIANTS, PredictorLoss, minimised_by

SMALL = VoxelGrid((0.0, -3.2, -2.0), (9.6, 3.2, 2.0), (0.2, 0.2, 0.5))


def frame(seed: int) -> Frame:
    """Return a frame of one car, dense with points, on a thin ground."""
    rng = np.random.default_rng(seed)
    box = np.array([rng.uniform(2, 7), rng.uniform(-2, 2), -1.0, 1.6, 0.8, 1.0, 0.0])
    ground = rng.uniform((0, -3, -1.9, 0), (9.6, 3, -1.8, 1), (150, 4))
    body = np.column_stack([box[:3] + rng.uniform(-0.5, 0.5, (60, 3)) * box[3:6], rng.random(60)])
    points = np.concatenate([ground, body]).astype(np.float32)
    return Frame(f"{seed}", "", points, box[None], ("Car",), np.zeros(1), np.zeros(1, np.int64), np.full(1, 60.0))


FRAMES = [frame(seed) for seed in range(8)]


def detector() -> LidarDetector:
    """Return an untrained detector with an untrained filter."""
    torch.manual_seed(0)
    made = LidarDetector(DetectorConfig(grid=SMALL, layers=3))
    made.filter = Ada3dFilter(channels_at(made, ("conv1", "conv2"), (1,)), 3, {"conv1": 0.75, "conv2": 0.75}, {1: 0.5})
    return made.eval()


def silent(done: float, total: float, text: str) -> None:
    """Say nothing."""


def test_the_target_is_the_sum_of_all_classes_and_at_least_two_metres_wide() -> None:
    boxes = np.array([[4.0, 0.0, -1, 0.8, 0.6, 1.7, 0], [4.0, 0.0, -1, 0.8, 0.6, 1.7, 0]])
    wanted = importance_target(Objects(boxes, np.array([0, 1]), np.zeros(2, bool)), detector())
    assert wanted.max() == 2  # not clipped
    assert int((wanted > 0).any(0).sum()) == 11  # 5 cells to either side


def test_the_loss_is_the_error_of_every_channel_to_the_one_map() -> None:
    predicted, wanted = torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5)
    by_hand = sum(float((predicted[:, c] - wanted[:, 0]).square().mean()) for c in range(3)) / 3
    assert float(predictor_loss([predicted, predicted], wanted, "squared")) == pytest.approx(2 * by_hand, rel=1e-5)


def test_the_cross_entropy_is_to_the_map_clipped_at_one() -> None:
    predicted, wanted = torch.rand(2, 3, 4, 5), 2 * torch.rand(2, 1, 4, 5)
    told, asked = predicted.double().numpy(), np.minimum(wanted.double().numpy(), 1)
    by_hand = -(asked * np.log(told) + (1 - asked) * np.log(1 - told)).mean()
    found = float(predictor_loss([predicted, predicted], wanted, "cross-entropy"))
    assert found == pytest.approx(2 * by_hand, rel=1e-5)


def test_a_cross_entropy_of_a_prediction_at_its_ends_is_finite() -> None:
    predicted = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    assert 10 < float(predictor_loss([predicted], 1 - predicted, "cross-entropy")) < 20


def test_the_two_losses_agree_on_the_best_answer_to_a_cell_that_is_an_object_now_and_then() -> None:
    wanted = (torch.arange(100) < 3).float().view(1, 1, 1, 100)
    answers = torch.linspace(0.005, 0.1, 20)
    for minimised in get_args(PredictorLoss):
        losses = [float(predictor_loss([torch.full_like(wanted, float(a))], wanted, minimised)) for a in answers]
        assert float(answers[int(np.argmin(losses))]) == pytest.approx(0.03, abs=1e-6)


def test_only_the_released_variant_has_the_papers_loss() -> None:
    assert [name for name in VARIANTS if minimised_by(name) == "squared"] == ["released"]
    assert minimised_by("B", "squared") == "squared" and minimised_by("released", "cross-entropy") == "cross-entropy"


def test_stage_2_moves_the_predictor_alone() -> None:
    ours = detector()
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    losses: list[float] = []
    train_predictor(
        ours,
        FRAMES,
        Stage("p", 12, 3e-2),
        lambda _, __, text: losses.append(float(text.split()[-1])),
        "cross-entropy",
    )
    assert losses[-1] < losses[0]
    for name, value in ours.state_dict().items():
        assert name.startswith("filter.") or torch.equal(value, before[name]), name
    assert all(parameter.requires_grad for parameter in ours.parameters())


def test_stage_3_moves_the_detector_alone() -> None:
    ours = detector()
    before = {name: value.clone() for name, value in ours.filter.state_dict().items()}
    weight = ours.head.weight.detach().clone()
    fine_tune(ours, FRAMES, Stage("t", 2, 1e-3), silent)
    assert not torch.equal(ours.head.weight, weight)
    assert all(torch.equal(value, before[name]) for name, value in ours.filter.state_dict().items())
    assert not ours.training


def test_stage_3_keeps_the_statistics_that_stage_1_left() -> None:
    ours = detector()
    before = {name: value.clone() for name, value in ours.state_dict().items() if "running" in name}
    fine_tune(ours, FRAMES, Stage("t", 2, 1e-3), silent)
    after = ours.state_dict()
    assert before and all(torch.equal(after[name], value) for name, value in before.items())


def test_the_predictor_is_normalised_over_all_insertion_points_together() -> None:
    drop = detector().filter
    assert isinstance(drop, Ada3dFilter)
    drop.learning = True
    drop.train()
    low, high = torch.rand(2, 8, 6, 5), 3 + torch.rand(2, 8, 6, 5)
    drop.adapted = [low, high]
    first, second = predicted_together(drop)
    torch.testing.assert_close(torch.cat([first, second]), drop.predictor(torch.cat([low, high])))
    assert not torch.allclose(first, drop.predictor(low))  # by its own batch it would be something else


def test_what_the_predictor_learned_holds_in_evaluation() -> None:
    ours = detector()
    train_predictor(ours, FRAMES, Stage("p", 12, 3e-2), silent, "cross-entropy")
    drop = ours.filter
    assert isinstance(drop, Ada3dFilter)
    norms = [module for module in drop.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert all(norm.momentum == 0.01 and int(norm.num_batches_tracked) == 20 for norm in norms)


def test_products_in_bf16_move_the_detector_the_same_way() -> None:
    exact, short = detector(), detector()
    losses: dict[str, list[float]] = {"exact": [], "short": []}
    fine_tune(exact, FRAMES, Stage("t", 3, 1e-3), lambda _, __, text: losses["exact"].append(float(text.split()[-1])))
    short_stage = Stage("t", 3, 1e-3, products=torch.bfloat16)
    fine_tune(short, FRAMES, short_stage, lambda _, __, text: losses["short"].append(float(text.split()[-1])))
    assert losses["short"] == pytest.approx(losses["exact"], rel=0.02)
    assert short.head.weight.dtype == torch.float32 and short.head.products is None


def test_a_killed_stage_goes_on_and_ends_where_an_undisturbed_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("effbench_baselines.ada3d.training.CHECKPOINT_STEPS", 2)
    whole, killed, resumed = detector(), detector(), detector()
    fine_tune(whole, FRAMES, Stage("t", 4, 1e-3), silent)

    def killing(done: float, total: float, text: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(killed, FRAMES, Stage("t", 4, 1e-3, folder=tmp_path), killing)
    fine_tune(resumed, FRAMES, Stage("t", 4, 1e-3, folder=tmp_path), silent)
    for one, other in zip(whole.state_dict().values(), resumed.state_dict().values()):
        torch.testing.assert_close(other, one)


def test_what_ships_is_named_after_how_it_was_trained_and_its_card_says_what_its_file_does(tmp_path: Path) -> None:
    work, folder = tmp_path / "work", tmp_path / "weights"
    work.mkdir()
    told = {"predictor_loss": "squared", "predictor_steps": "9", "voxel_keep": "conv2: 0.5"}
    save_file({"a": torch.zeros(1)}, work / "ada3d-predictor-0.safetensors", metadata={"step": "9"})
    for name in ("B-0", "B-squared-0", "none-1"):
        facts = {"steps": "5"} | (told if name == "B-squared-0" else {})
        save_file({"a": torch.zeros(1)}, work / f"ada3d-{name}.safetensors", metadata=facts)
    ship(work, folder)
    card = plain_yaml((folder / "card.yaml").read_text("utf-8"))
    assert set(card) == {file.stem for file in folder.glob("*.safetensors")} == {"B", "B-squared", "none-seed1"}
    assert card["B-squared"].items() >= told.items() and not set(told) & set(card["B"])


def test_the_card_says_of_shipped_weights_what_the_variants_are() -> None:
    card = plain_yaml((WEIGHTS / "card.yaml").read_text("utf-8"))
    for name, facts in card.items():
        variant, _, how = name.split("-seed")[0].partition("-")
        if variant == CONTROL:
            assert not set(LEARNED) & set(facts)
            continue
        assert shares_told(VARIANTS[variant]).items() <= facts.items(), name
        assert facts["predictor_loss"] == ("squared" if how == "squared" else minimised_by(variant)), name
        assert facts["density_guidance"] == str(how != "plain"), name


def test_a_checkpoint_of_another_recipe_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    def trained(minimised: PredictorLoss, rate: float) -> None:
        stage = Stage("p", 2, rate, folder=tmp_path, recipe={"predictor_loss": minimised})
        train_predictor(detector(), FRAMES, stage, silent, minimised)

    trained("squared", 3e-2)
    before = (tmp_path / "p.safetensors").read_bytes()
    trained("squared", 3e-2)  # its own is gone on with
    with pytest.raises(BadInput, match="predictor_loss squared instead of cross-entropy"):
        trained("cross-entropy", 3e-2)
    with pytest.raises(BadInput, match=r"peak 0.03 instead of 0.1"):
        trained("squared", 1e-1)
    assert (tmp_path / "p.safetensors").read_bytes() == before
