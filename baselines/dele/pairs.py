"""Pairs of architectures whose order is known, and the hinge loss over them."""

from __future__ import annotations

import torch

PAIRS_PER_ARCHITECTURE = 4
"""At most, in a batch: ``max_compare_ratio`` of the published configurations."""
MARGIN = 0.1
"""By which the better one's score is to lead: that of every published configuration (arXiv 2302.00932)."""
ROOM = 4
"""Where there are that many times the pairs asked for, drawing until enough differ is cheaper than listing them all: of
512 architectures 2,048 pairs are drawn out of 130,816, and listing them took most of the first step's time."""


def ordered_pairs(labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return pairs [P, 2] of rows of a batch, the worse one first; ties give none.

    ``labels`` [B]. All pairs that the labels keep apart, or ``4 B`` of them drawn without replacement where there are more.
    P is 0 where nothing is comparable: a constant or a single label.
    """
    most = PAIRS_PER_ARCHITECTURE * len(labels)
    alike = labels.unique(return_counts=True)[1]
    there = len(labels) * (len(labels) - 1) // 2
    apart = there - int((alike * (alike - 1)).sum()) // 2
    if apart > ROOM * most:
        first, second = _drawn(labels, most, most * there // apart, generator)
    else:
        first, second = torch.triu_indices(len(labels), len(labels), 1)
        kept = (labels[first] != labels[second]).nonzero()[:, 0]
        if apart > most:
            kept = kept[torch.randperm(apart, generator=generator)[:most]]
        first, second = first[kept], second[kept]
    is_up = labels[second] > labels[first]
    return torch.stack([torch.where(is_up, first, second), torch.where(is_up, second, first)], 1)


def _drawn(
    labels: torch.Tensor, most: int, expected: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``most`` different pairs that the labels keep apart, every set of them as likely: the first that come up.

    ``expected`` draws give about ``most`` that are no tie, before repeats.
    """
    n = len(labels)
    found = torch.empty(0, dtype=torch.int64)
    while len(found) < most:
        one = torch.randint(n, (expected + expected // 2,), generator=generator)
        other = torch.randint(n, one.shape, generator=generator)
        is_apart = labels[one] != labels[other]  # no row is apart from itself
        one, other = one[is_apart], other[is_apart]
        drawn = torch.cat([found, torch.minimum(one, other) * n + torch.maximum(one, other)])
        ordered, places = drawn.sort(stable=True)
        is_first = torch.ones(len(drawn), dtype=torch.bool)
        is_first[1:] = ordered[1:] != ordered[:-1]
        found = drawn[places[is_first].sort().values]
    return found[:most] // n, found[:most] % n


def hinge(scores: torch.Tensor, pairs: torch.Tensor, margin: float = MARGIN) -> torch.Tensor:
    """Return the mean over pairs of max(0, margin - (better - worse)), 0 without pairs; ``scores`` [B], ``pairs`` [P, 2]."""
    if not len(pairs):
        return scores.sum() * 0.0  # a mean of nothing would be NaN
    return torch.relu(margin - (scores[pairs[:, 1]] - scores[pairs[:, 0]])).mean()
