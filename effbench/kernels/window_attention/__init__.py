"""Attention inside a band of the token order, and full attention with what such a band leaves out of it."""

from __future__ import annotations

import torch

from effbench.kernels.choice import Choice, chosen
from effbench.kernels.window_attention import cpu, reference
from effbench.kernels.window_attention.cpu import bands_pay
from effbench.kernels.window_attention.request import check_request

__all__ = ["attention_with_residual", "bands_pay", "window_attention"]


def window_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    *,
    residual: torch.Tensor | None = None,
    scale: float | None = None,
    impl: Choice = "auto",
) -> torch.Tensor:
    """Return attention [B, H, N, D] of q, k, v [B, H, N, D], where row i sees the keys j with |i - j| <= ``half_width``.

    ``residual`` [B, H, N, D] is added; ``scale`` is 1 / sqrt(D) where none is given. From ``half_width`` N - 1 on this is
    full attention, exactly. Operands may have any strides but for the last axis, which lies in one piece. Raises
    ``ValueError`` for operands that are not alike.
    """
    check_request("window_attention", q, k, v, half_width, residual)
    ran = chosen("window_attention", impl, q)
    if ran == "cpu":
        return cpu.window_attention(q, k, v, half_width, residual, scale)
    if ran == "reference":
        return reference.window_attention(q, k, v, half_width, residual, scale)
    from effbench.kernels.window_attention import gpu

    return gpu.window_attention(q, k, v, half_width, residual, scale)


def attention_with_residual(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    half_width: int,
    *,
    scale: float | None = None,
    impl: Choice = "auto",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (full, full - banded) attention of q, k, v [B, H, N, D], each [B, H, N, D].

    The second one added to ``window_attention`` of the same operands gives the first one, up to its rounding. Triton reads
    the keys once for both. Raises ``ValueError`` as ``window_attention`` does.
    """
    check_request("attention_with_residual", q, k, v, half_width)
    ran = chosen("attention_with_residual", impl, q)
    if ran == "cpu":
        return cpu.attention_with_residual(q, k, v, half_width, scale)
    if ran == "reference":
        return reference.attention_with_residual(q, k, v, half_width, scale)
    from effbench.kernels.window_attention import gpu

    return gpu.attention_with_residual(q, k, v, half_width, scale)
