"""Pairs of architectures whose order is known, and the hinge loss over them."""

from __future__ import annotations

import torch

PAIRS_PER_ARCHITECTURE = 4
"""At most, in a batch: ``max_compare_ratio`` of the published configurations."""
MARGIN = 0.1
"""By which the better one's score is to lead: that of every published configuration (arXiv 2302.00932)."""


def ordered_pairs(labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return pairs [P, 2] of rows of a batch, the worse one first; ties give none.

    ``labels`` [B]. All pairs that the labels keep apart, or ``4 B`` of them drawn without replacement where there are more.
    P is 0 where nothing is comparable: a constant or a single label.
    """
    first, second = torch.triu_indices(len(labels), len(labels), 1)
    apart = labels[first] != labels[second]
    first, second = first[apart], second[apart]
    most = PAIRS_PER_ARCHITECTURE * len(labels)
    if len(first) > most:
        drawn = torch.randperm(len(first), generator=generator)[:most]
        first, second = first[drawn], second[drawn]
    is_up = labels[second] > labels[first]
    return torch.stack([torch.where(is_up, first, second), torch.where(is_up, second, first)], 1)


def hinge(scores: torch.Tensor, pairs: torch.Tensor, margin: float = MARGIN) -> torch.Tensor:
    """Return the mean over pairs of max(0, margin - (better - worse)), 0 without pairs; ``scores`` [B], ``pairs`` [P, 2]."""
    if not len(pairs):
        return scores.sum() * 0.0  # a mean of nothing would be NaN
    return torch.relu(margin - (scores[pairs[:, 1]] - scores[pairs[:, 0]])).mean()
