"""The accuracy of every cell of EffBench-Micro inside one supernet that was trained for all of them.

The supernet is trained as the cells are (``recipe.py``), a drawn cell per step. What its training cost stands in the table
as shared by all values; a value itself costs new running statistics and the judging.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from effbench.api import noise_seed
from effbench.errors import BadInput
from effbench.nas.cells import Code, every_code, is_connected
from effbench.nas.kept_lines import KeptLines
from effbench.nas.skeleton import Skeleton, flops
from effbench.nas.supernet import Supernet
from effbench.zoo.digits_pixart.data import Digits
from effbench.zoo.nas_micro.recipe import BATCH, DECAY, MOMENTUM, PEAK_LR, SKELETON, judge, settings

EPOCHS = 150
"""Of 2,000 digits: 6,000 steps, so that each operation of an edge is trained by about 1,200 of them."""
SEED = 0
"""Of the supernet's start, digits and cells; there is one supernet."""
CALIBRATED = 10
"""Batches of training digits that running statistics are made of: 500 digits."""
FOLDER = "one_shot"
"""Within the work folder: the supernet and what it says of the cells so far."""


class SharedTraining(NamedTuple):
    """What the training of a supernet cost: CPU seconds measured, FLOPs computed."""

    cpu_s: float
    flops: float


def train_supernet(
    train: Digits, epochs: int = EPOCHS, seed: int = SEED, skeleton: Skeleton = SKELETON
) -> tuple[Supernet, SharedTraining]:
    """Return a supernet after a training in which every step draws one of the connected cells, each as likely.

    Raises ``FloatingPointError`` where it diverges.
    """
    network = Supernet(skeleton)
    network.initialise([noise_seed("supernet", seed)])
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    generator = torch.Generator().manual_seed(noise_seed("paths", seed))
    cells = [code for code in every_code() if is_connected(code)]
    optimiser = torch.optim.SGD(network.parameters(), PEAK_LR, MOMENTUM, weight_decay=DECAY, nesterov=True)
    per_epoch = len(train.labels) // BATCH
    started, step, spent = time.process_time(), 0, 0.0
    for _ in range(epochs):
        rows = torch.randperm(len(train.labels), generator=generator)[: per_epoch * BATCH]
        for batch in rows.split(BATCH):
            optimiser.param_groups[0]["lr"] = PEAK_LR * 0.5 * (1 + math.cos(math.pi * step / (epochs * per_epoch)))
            code = cells[int(torch.randint(len(cells), (), generator=generator))]
            network.choose(code)
            logits = network(train.images[batch].contiguous(memory_format=torch.channels_last))[:, 0]
            loss = nn.functional.cross_entropy(logits, train.labels[batch])
            optimiser.zero_grad()  # to None: what the cell does not use is not moved, not even by its momentum
            loss.backward()
            optimiser.step()
            step, spent = step + 1, spent + 3.0 * flops(code, skeleton) * BATCH
    if not all(torch.isfinite(weights).all() for weights in network.parameters()):
        raise FloatingPointError(f"the supernet diverged within {epochs} epochs")
    return network, SharedTraining(time.process_time() - started, spent)


def accuracy_of(network: Supernet, code: Code, train: Digits, judging: Digits) -> float:
    """Return the share of judged digits that a cell gets right with the supernet's weights."""
    network.choose(code)
    rows = torch.randperm(len(train.labels), generator=torch.Generator().manual_seed(0))[: CALIBRATED * BATCH]
    network.recalibrate([train.images[batch] for batch in rows.split(BATCH)])
    return float(judge(network, judging)[0][0])


def one_shot_recipe(epochs: int = EPOCHS) -> dict[str, Any]:
    """Return all that a supernet depends on besides the digits."""
    return {**settings(), "epochs": epochs, "seed": SEED, "calibrated": CALIBRATED}


def all_one_shot(
    codes: Sequence[Code], digits: tuple[Digits, Digits], work: Path, epochs: int = EPOCHS
) -> tuple[list[tuple[float, float]], SharedTraining]:
    """Return (accuracy, CPU seconds) of every cell and what the supernet cost; compute what the work folder does not hold.

    Raises ``BadInput`` where that holds a supernet of another recipe.
    """
    folder = work / FOLDER
    network, shared = _kept(folder, digits[0], epochs)
    kept = KeptLines(folder / "accuracy.jsonl", one_shot_recipe(epochs))
    known = {tuple(line["code"]): (line["accuracy"], line["cpu_s"]) for line in kept.lines}
    for code in (code for code in codes if tuple(code) not in known):
        started = time.process_time()
        accuracy = accuracy_of(network, code, *digits)
        known[code] = accuracy, time.process_time() - started
        kept.add({"code": list(code), "accuracy": accuracy, "cpu_s": known[code][1]})
    return [known[tuple(code)] for code in codes], shared


def _kept(folder: Path, train: Digits, epochs: int) -> tuple[Supernet, SharedTraining]:
    """Return the supernet of the folder, trained and put there if it is not; its header is written last."""
    from safetensors.torch import load_file, save_file

    header, weights = folder / "supernet.json", folder / "supernet.safetensors"
    recipe = one_shot_recipe(epochs)
    if header.exists():
        found: Mapping[str, Any] = json.loads(header.read_text("utf-8"))
        if found["recipe"] != recipe:
            raise BadInput(f"{header}: trained by another recipe ({found['recipe']}); move its folder away")
        network = Supernet(SKELETON)
        network.load_state_dict(load_file(weights))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network, SharedTraining(**found["cost"])
    folder.mkdir(parents=True, exist_ok=True)
    network, cost = train_supernet(train, epochs)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, weights)
    header.write_text(json.dumps({"recipe": recipe, "cost": cost._asdict()}), "utf-8")
    return network, cost
