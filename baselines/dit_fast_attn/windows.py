"""Windowed attention over picture tokens, and over text and video in one sequence, where only video-video is windowed.

Joint attention keeps the text's rows and columns ("arrow"). No banded kernel takes such keys, so it is torch's attention
under a mask: exact, and no quicker than full attention.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch.nn.functional import scaled_dot_product_attention

from effbench.kernels.window_attention import attention_with_residual, window_attention
from effbench.kernels.window_attention.cost import band_pairs

__all__ = ["full_with_residual", "window_pairs", "windowed"]


def windowed(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, half_width: int, dense: int, residual: torch.Tensor | None
) -> torch.Tensor:
    """Return attention [B, H, N, D] inside the band, plus a residual; the first ``dense`` tokens see and are seen by all."""
    if not dense:
        return window_attention(q, k, v, half_width, residual=residual)
    tokens = q.shape[2]
    mask = None if half_width >= tokens - dense - 1 else _arrow(tokens, half_width, dense, q.device)
    out: torch.Tensor = scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if residual is None else out + residual


def full_with_residual(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, half_width: int, dense: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (full attention, full less windowed), each [B, H, N, D]."""
    if not dense:
        return attention_with_residual(q, k, v, half_width)
    full = scaled_dot_product_attention(q, k, v)
    return full, full - windowed(q, k, v, half_width, dense, None)


def window_pairs(tokens: int, half_width: int, dense: int) -> int:
    """Return how many pairs of query and key a head has behind the window."""
    return tokens**2 - (tokens - dense) ** 2 + band_pairs(tokens - dense, half_width)


@lru_cache(maxsize=4)
def _arrow(tokens: int, half_width: int, dense: int, device: torch.device) -> torch.Tensor:
    place = torch.arange(tokens, device=device)
    seen = (place[:, None] - place[None, :]).abs() <= half_width
    seen[:dense], seen[:, :dense] = True, True
    return seen
