"""How a cell of EffBench-Micro is trained: a pure function of (canonical form, epochs, seed), several seeds side by side.

SGD with Nesterov momentum, a cosine to zero, no augmentation; fp32 on one thread. A fidelity is the same recipe over fewer
epochs with a cosine of its own, as the 12 epochs of NAS-Bench-201 are no prefix of its 200.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from effbench.api import noise_seed
from effbench.nas.cells import Code, canonical
from effbench.nas.network import StackedNetwork
from effbench.nas.skeleton import Skeleton, flops
from effbench.zoo.digits_pixart.data import Digits

SKELETON = Skeleton(channels=1, size=8, width=4, cells=1, stem=1, reduction="pool")
"""8x8 grey pixels, one cell of 4, 8 and 16 channels a stage: what a core trains in a second.

The skeleton looks at single pixels, so that what a network can do is the cell's doing: of a dozen cells two trainings agree
at tau 0.80. With a 3x3 stem, 2x2 convolutions between stages and twice the width nearly every cell reached 93 to 95 %, and
two trainings of fourteen cells agreed at 0.43."""
BATCH = 50
"""Digits per step; 40 steps an epoch are enough for six epochs to tell cells apart."""
MOMENTUM, DECAY = 0.9, 5e-4  # as NAS-Bench-201 trains (arXiv 2001.00326, table 1)
PEAK_LR = 0.1
"""NAS-Bench-201's; its cosine begins there too."""
JUDGED_AT_ONCE = 1000
"""Digits per forward pass of the evaluation: as many as stay in the cache."""


def settings() -> dict[str, Any]:
    """Return what every training of the table depends on besides digits, epochs and seeds."""
    return {"skeleton": asdict(SKELETON), "batch": BATCH, "lr": PEAK_LR, "momentum": MOMENTUM, "decay": DECAY}


@dataclass(frozen=True)
class Trained:
    """What a training reached: ``accuracy`` a share and ``nll`` nats per digit, both on digits that it never saw."""

    accuracy: float
    nll: float
    cpu_s: float
    flops: float
    """Of the training: three forward passes' per digit; computed, not measured."""


def train_stack(
    code: Code, epochs: int, seeds: Sequence[int], train: Digits, judging: Digits, skeleton: Skeleton = SKELETON
) -> list[Trained]:
    """Return what each seed's training of a cell reaches, trained side by side.

    Weights and the order of the digits come from ``noise_seed`` of the canonical form, epochs and seed. Raises
    ``FloatingPointError`` where a training diverges.
    """
    own = [noise_seed(f"{canonical(code)}:{epochs}", seed) for seed in seeds]
    network = StackedNetwork(code, skeleton, len(seeds))
    network.initialise(own)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast with few channels
    orders = [torch.Generator().manual_seed(seed + 1) for seed in own]
    optimiser = torch.optim.SGD(network.parameters(), PEAK_LR, MOMENTUM, weight_decay=DECAY, nesterov=True)
    per_epoch = len(train.labels) // BATCH
    started, step = time.process_time(), 0
    for _ in range(epochs):
        rows = torch.stack([torch.randperm(len(train.labels), generator=order) for order in orders])
        for batch in rows[:, : per_epoch * BATCH].split(BATCH, 1):  # [copies, BATCH]
            optimiser.param_groups[0]["lr"] = PEAK_LR * 0.5 * (1 + math.cos(math.pi * step / (epochs * per_epoch)))
            logits = network(_stacked(train.images, batch))  # [BATCH, copies, classes]
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), train.labels[batch.T.flatten()], reduction="sum")
            optimiser.zero_grad()
            (loss / BATCH).backward()
            optimiser.step()
            step += 1
    cpu_s = (time.process_time() - started) / len(seeds)
    accuracy, nll = judge(network, judging)
    if not torch.isfinite(nll).all():
        raise FloatingPointError(f"cell {code}: training over {epochs} epochs diverged")
    spent = 3.0 * flops(code, skeleton) * epochs * per_epoch * BATCH
    return [Trained(a, n, cpu_s, spent) for a, n in zip(accuracy.tolist(), nll.tolist())]


@torch.no_grad()
def judge(network: StackedNetwork, digits: Digits) -> tuple[torch.Tensor, torch.Tensor]:
    """Return accuracy and mean negative log-likelihood of every copy [copies], float64, with running statistics."""
    network.eval()
    rows = torch.arange(len(digits.labels)).expand(network.copies, -1)
    right, lost = torch.zeros(network.copies, dtype=torch.float64), torch.zeros(network.copies, dtype=torch.float64)
    for batch in rows.split(JUDGED_AT_ONCE, 1):
        logs = network(_stacked(digits.images, batch)).double().log_softmax(2)  # [B, copies, classes]
        labels = digits.labels[batch[0]]
        right += (logs.argmax(2) == labels[:, None]).double().sum(0)
        lost -= logs.gather(2, labels[:, None, None].expand(-1, network.copies, 1))[..., 0].sum(0)
    network.train()
    return right / len(digits.labels), lost / len(digits.labels)


def _stacked(images: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return [B, copies x channels, H, W] of images [N, channels, H, W] and rows [copies, B]."""
    return images[rows.T].flatten(1, 2).contiguous(memory_format=torch.channels_last)
