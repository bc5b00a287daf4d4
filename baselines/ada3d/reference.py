"""Scores and selection as the equations say, in torch's own words: what the compiled loops are held to."""

from __future__ import annotations

import torch
from torch import nn

from effbench_baselines.ada3d.selecting import EPS, Guidance


def local_density(valid: torch.Tensor, window: int) -> torch.Tensor:
    """Return the occupied share of the square that each cell lies in, float32 [B, H, W], of occupancy bool [B, H, W]."""
    rows, columns = valid.shape[1:]
    share = nn.functional.avg_pool2d(valid[:, None].float(), window, ceil_mode=True, count_include_pad=False)
    spread: torch.Tensor = nn.functional.interpolate(share, scale_factor=float(window))
    density: torch.Tensor = spread[:, 0, :rows, :columns]
    return density


def guided(scores: torch.Tensor, valid: torch.Tensor, guidance: Guidance) -> torch.Tensor:
    """Return S = Y * valid / (density + eps)^alpha of scores Y [B, H, W]."""
    density: torch.Tensor = local_density(valid, guidance.window)
    found: torch.Tensor = scores * valid / (density + EPS) ** guidance.alpha
    return found


def best_cells(scores: torch.Tensor, valid: torch.Tensor, keep: float) -> torch.Tensor:
    """Return bool [B, H, W]: the ``floor(keep * n)`` best of each frame's n occupied cells; of equal ones the first."""
    kept = torch.zeros_like(valid)
    for frame in range(len(valid)):
        occupied = valid[frame].flatten().nonzero()[:, 0]
        count = int(keep * len(occupied) + 1e-9)  # 0.29 * 100 is 28.999... in floats
        order = torch.sort(scores[frame].flatten()[occupied], descending=True, stable=True).indices[:count]
        kept[frame].view(-1)[occupied[order]] = True
    return kept
