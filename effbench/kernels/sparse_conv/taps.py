"""Convolution tap by tap with torch's products: any floating type and device, any groups. The gradients are deterministic.

At one tap no output appears twice, so that every sum is over the taps in their order.
"""

from __future__ import annotations

import torch

from effbench.kernels.sparse_conv.kernel_map import KernelMap

FOLLOWS = False
"""Whether a bias and ReLU are part of ``convolve``."""


def product(rows: torch.Tensor, weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Return rows [P, Cin] times one tap's weight [Cin / groups, Cout]."""
    if groups == 1:
        return rows @ weight
    inner, outputs = weight.shape
    if inner == 1 and outputs == groups:
        return rows * weight
    split = rows.view(len(rows), groups, inner).transpose(0, 1)
    return (split @ weight.view(inner, groups, -1).transpose(0, 1)).transpose(0, 1).reshape(len(rows), outputs)


def turned_weight(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """Return the weight [taps, Cout / groups, Cin] by which a gradient goes back through [taps, Cin / groups, Cout]."""
    taps, inner, outputs = weight.shape
    split = weight.view(taps, inner, groups, outputs // groups)
    return split.permute(0, 3, 2, 1).reshape(taps, outputs // groups, groups * inner)


def _on(rows: tuple[torch.Tensor, torch.Tensor], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    return rows[0].to(device), rows[1].to(device)


def convolve(features: torch.Tensor, weight: torch.Tensor, found: KernelMap, groups: int) -> torch.Tensor:
    """Return the outputs [M, Cout] of features [N, Cin] and weight [taps, Cin / groups, Cout]."""
    y = features.new_zeros(found.source.shape[1], weight.shape[2])
    for tap, pairs in enumerate(found.by_tap):
        inputs, outputs = _on(pairs, features.device)
        if len(inputs):
            y.index_add_(0, outputs, product(features[inputs], weight[tap], groups))
    return y


def weight_gradient(features: torch.Tensor, gradient: torch.Tensor, found: KernelMap, groups: int) -> torch.Tensor:
    """Return the gradient [taps, Cin / groups, Cout] of a weight, given that of the outputs [M, Cout]."""
    taps, channels, outputs = found.source.shape[0], features.shape[1], gradient.shape[1]
    inner = channels // groups
    result = features.new_zeros(taps, inner, outputs)
    for tap, pairs in enumerate(found.by_tap):
        rows, at = _on(pairs, features.device)
        if not len(rows):
            continue
        if groups == 1:
            result[tap] = features[rows].T @ gradient[at]
        else:
            given = features[rows].view(len(rows), groups, inner).permute(1, 2, 0)
            split = given @ gradient[at].view(len(rows), groups, outputs // groups).transpose(0, 1)
            result[tap] = split.transpose(0, 1).reshape(inner, outputs)
    return result
