"""GroupNorm and SiLU, the specification.

Mean and variance are those of each group of channels of an image::

    y = silu((x + offset - mean) / sqrt(var + eps) * weight + bias)

(Wu and He 2018; the blocks of Ho et al. 2020 put SiLU behind it). ``offset`` is the projected time of a step.
"""

from __future__ import annotations

import torch


def group_norm_silu(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    groups: int,
    eps: float,
    offset: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return y [B, C, H, W] of x [B, C, H, W], weight and bias [C] and offset [B, C]."""
    if offset is not None:
        x = x + offset[:, :, None, None]
    return torch.nn.functional.silu(torch.nn.functional.group_norm(x, groups, weight, bias, eps))
