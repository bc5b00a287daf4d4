"""The two steps of DELE: every expert learns to rank by its own cheap labels, then all are tuned on the few true ones.

Step 1 sums the experts' losses; as they share nothing, it equals as many trainings apart. An expert whose labels order no
pair of a batch makes no step in it: not even its momentum moves it. Step 2 begins with a fresh optimiser, in this method and
in every ablation and peer alike (the published code resets it for its baseline only).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from effbench_baselines.dele.experts import Experts
from effbench_baselines.dele.pairs import hinge, ordered_pairs

LEARNING_RATE = 1e-3
"""Of Adam, constant: that of every published configuration."""

Report = Callable[[int, int], None]
"""(epochs done, epochs in all)."""


def pretrain(
    network: Experts, codes: torch.Tensor, labels: Sequence[torch.Tensor], epochs: int, batch: int, report: Report
) -> None:
    """Train expert k to rank codes [n, 6] by ``labels[k]`` [n]; whatever weighs the experts stays as it is."""
    experts = network.shape.experts
    optimiser = _adam([p for k in range(experts) for p in network.parameters_of(k)])
    for epoch in range(epochs):
        for rows in torch.randperm(len(codes), generator=network.generator).split(batch):
            scores = network.expert_scores(codes[rows])
            pairs = [ordered_pairs(own[rows], network.generator) for own in labels]
            losses = [hinge(scores[k], pairs[k]) for k in range(experts)]
            _step(
                optimiser,
                torch.stack(losses).sum(),
                [p for k in range(experts) if not len(pairs[k]) for p in network.parameters_of(k)],
            )
        report(epoch + 1, epochs)


def finetune(
    network: Experts, codes: torch.Tensor, truth: torch.Tensor, epochs: int, batch: int, report: Report
) -> None:
    """Train everything, the weighting included, to rank codes [n, 6] by their truth [n]."""
    optimiser = _adam(list(network.parameters()))
    for epoch in range(epochs):
        for rows in torch.randperm(len(codes), generator=network.generator).split(batch):
            pairs = ordered_pairs(truth[rows], network.generator)
            if len(pairs):
                _step(optimiser, hinge(network(codes[rows]).fused, pairs), [])
        report(epoch + 1, epochs)


def _adam(parameters: list[torch.nn.Parameter]) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, LEARNING_RATE, fused=True)


def _step(optimiser: torch.optim.Adam, loss: torch.Tensor, still: Sequence[torch.nn.Parameter]) -> None:
    """Make one step; ``still`` have nothing to learn from this batch and stay where they are."""
    optimiser.zero_grad()
    if loss.requires_grad:
        loss.backward()
    for parameter in still:
        parameter.grad = None  # Adam passes over it, where a gradient of zeros would let its momentum go on
    optimiser.step()
