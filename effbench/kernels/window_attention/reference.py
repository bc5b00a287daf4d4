"""Attention inside a band of the token order, the specification.

Query i sees the keys j with |i - j| <= w, 2w + 1 of them away from the ends::

    W_i = sum_j softmax_j(scale * q_i . k_j) v_j

DiTFastAttn (arXiv 2406.08552, section 3.2) adds to it what the band left out at an earlier step, R = full - W.
"""

from __future__ import annotations

import torch


def window_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    residual: torch.Tensor | None = None,
    scale: float | None = None,
) -> torch.Tensor:
    """Return attention [B, H, N, D] inside the band, plus ``residual``, in the dtype of q, computed in float64."""
    y = _banded(q, k, v, half_width, scale)
    return (y if residual is None else y + residual.double()).to(q.dtype)


def attention_with_residual(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, half_width: int, scale: float | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (full, full - banded) attention, each [B, H, N, D] in the dtype of q, computed in float64."""
    full = _banded(q, k, v, q.shape[2], scale)
    return full.to(q.dtype), (full - _banded(q, k, v, half_width, scale)).to(q.dtype)


def _banded(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, half_width: int, scale: float | None) -> torch.Tensor:
    place = torch.arange(q.shape[2], device=q.device)
    outside = (place[:, None] - place[None, :]).abs() > half_width
    scores = q.double() @ k.double().transpose(-1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    banded: torch.Tensor = scores.masked_fill(outside, -torch.inf).softmax(-1) @ v.double()
    return banded
