"""One resumable training loop for the recipes: warm-up and decay, EMA, checkpoints by the clock, a curve in a file.

Time is counted in *training seconds*: processor time of this process divided by its threads, so that a run that is
stopped for a while or shares its machine counts only what it computed itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from effbench.zoo.checkpoints import load_checkpoint, save_checkpoint

CHECKPOINT_S = 90.0
"""Seconds between checkpoints: what a killed training loses at most."""


class TrainingPlan(NamedTuple):
    """How one network is trained; over the last ``decay_share`` of the steps the rate falls linearly, to ``floor`` of it."""

    name: str
    steps: int
    lr: float
    warmup: int = 100
    decay_share: float = 0.3
    floor: float = 0.0
    weight_decay: float = 0.01
    ema_decay: float = 0.998
    log_every: int = 50

    def rate(self, step: int) -> float:
        """Return the learning rate of a step."""
        left = (self.steps - step) / (self.decay_share * self.steps)
        return self.lr * min(1.0, (step + 1) / self.warmup) * max(min(left, 1.0), self.floor)


class Clock:
    """Training seconds so far, those of earlier runs included."""

    def __init__(self, before_s: float = 0.0) -> None:
        self._zero = self._now() - before_s

    @staticmethod
    def _now() -> float:
        return time.process_time() / torch.get_num_threads()

    def seconds(self) -> float:
        """Return the training seconds."""
        return self._now() - self._zero

    def set_back(self, seconds: float) -> None:
        """Leave out what was computed since the clock showed ``seconds``."""
        self._zero += self.seconds() - seconds


def fit(
    model: nn.Module,
    loss_of: Callable[[int], torch.Tensor],
    plan: TrainingPlan,
    work: Path,
    at_checkpoint: Callable[[int, float, dict[str, torch.Tensor]], None] | None = None,
) -> dict[str, torch.Tensor]:
    """Train to the end of the plan, from the last checkpoint if there is one, and return the EMA of the parameters.

    ``loss_of(step)`` draws everything random from generators seeded by the step, so that a resumed run repeats an
    undisturbed one. ``at_checkpoint(step, training_s, ema)`` may use the model; what it computes is not training.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, weight_decay=plan.weight_decay, betas=(0.9, 0.98))
    ema = {name: p.detach().clone() for name, p in model.named_parameters()}
    checkpoint, step, clock = work / f"{plan.name}.checkpoint.safetensors", 0, Clock()
    if checkpoint.exists():
        facts = load_checkpoint(checkpoint, model, ema, optimizer)
        step, clock = int(facts["step"]), Clock(float(facts["training_s"]))
        print(f"{plan.name}: resumed at step {step}", flush=True)
    model.train()
    saved_s, window = clock.seconds(), _Window(clock)
    while step < plan.steps:
        loss = loss_of(step)
        for group in optimizer.param_groups:
            group["lr"] = plan.rate(step)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        blend = 1 - min(plan.ema_decay, (1 + step) / (10 + step))
        for name, parameter in model.named_parameters():
            ema[name].lerp_(parameter.detach(), blend)
        window.losses.append(loss.item())
        if step % plan.log_every == 0:
            write_line(work, stage=plan.name, step=step, **window.close())
        if clock.seconds() - saved_s > CHECKPOINT_S or step == plan.steps:
            saved_s = clock.seconds()
            save_checkpoint(checkpoint, model, ema, optimizer, {"step": str(step), "training_s": f"{saved_s:.1f}"})
            if at_checkpoint is not None:
                at_checkpoint(step, saved_s, ema)
                clock.set_back(saved_s)
                model.train()
    return ema


class _Window:
    """The losses since the last line of the curve."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.losses, self.opened_s = clock, list[float](), clock.seconds()

    def close(self) -> dict[str, float]:
        """Return training seconds, mean loss and steps a second of the window, and open the next."""
        now_s = self.clock.seconds()
        line = {
            "training_s": round(now_s, 1),
            "loss": round(sum(self.losses) / len(self.losses), 5),
            "steps_per_s": round(len(self.losses) / max(now_s - self.opened_s, 1e-9), 3),
        }
        self.losses, self.opened_s = [], now_s
        return line


def write_line(work: Path, **facts: str | float) -> None:
    """Append one line to ``curve.jsonl`` in the work folder and print it."""
    with open(work / "curve.jsonl", "a", encoding="utf-8") as curve:
        curve.write(json.dumps(facts) + "\n")
    print(json.dumps(facts), flush=True)
