import json

import pytest
import torch
from torch import nn

from effbench.zoo.checkpoints import facts_of, load_ema, put
from effbench.zoo.fitting import TrainingPlan, fit

PLAN = TrainingPlan("toy", steps=12, lr=0.1, warmup=2, log_every=5)


def toy(work, stop_at=None):
    torch.manual_seed(0)
    model = nn.Linear(3, 1)

    def loss_of(step):
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        return (model(x) - x.sum(1, keepdim=True)).square().mean()

    return model, fit(model, loss_of, PLAN, work)


def test_a_stopped_run_ends_where_an_undisturbed_one_does(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    model, ema = toy(tmp_path / "a")
    monkeypatch.setattr("effbench.zoo.fitting.CHECKPOINT_S", -1.0)  # after every step
    with pytest.raises(KeyboardInterrupt):
        toy(tmp_path / "b", stop_at=7)
    resumed, resumed_ema = toy(tmp_path / "b")
    assert torch.equal(model.weight, resumed.weight) and torch.equal(ema["weight"], resumed_ema["weight"])
    assert facts_of(tmp_path / "b" / "toy.checkpoint.safetensors")["step"] == "12"
    again = nn.Linear(3, 1)
    load_ema(tmp_path / "b" / "toy.checkpoint.safetensors", again)
    assert torch.equal(again.weight, ema["weight"])
    lines = [json.loads(line) for line in (tmp_path / "a" / "curve.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10] and lines[1]["loss"] < lines[0]["loss"]


def test_rate_warms_up_stays_and_falls():
    plan = TrainingPlan("toy", steps=100, lr=1.0, warmup=10, decay_share=0.5, floor=0.05)
    assert plan.rate(0) == pytest.approx(0.1) and plan.rate(30) == 1.0
    assert plan.rate(75) == pytest.approx(0.5) and plan.rate(99) == 0.05


def test_parameters_of_another_model_are_refused():
    with pytest.raises(ValueError, match="another model"):
        put({"weight": torch.zeros(1, 3)}, nn.Linear(3, 1))
