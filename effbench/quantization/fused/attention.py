"""Attention whose projections are one product: softmax(Q K^T / sqrt(d)) V of views of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from effbench.kernels.linear_w8a8.around import Before, Residual
from effbench.quantization.layers import run_linear


class JoinedAttention:
    """A processor of diffusers' ``Attention``, whose projections may be joined: ``to_qkv``, or ``to_kv`` of the text.

    What it computes is what ``AttnProcessor2_0`` does where a layer has no norms, no residual and no rescaling of its own.
    """

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
        before: Before = None,
        residual: Residual | None = None,
    ) -> torch.Tensor:
        """Return [B, N, C] of ``hidden_states`` [B, N, C], added to ``residual``; ``before`` makes the queries' inputs.

        ``encoder_hidden_states`` are [B, L, E], ``attention_mask`` [B, 1, L] or [B, N, L] is added to the scores.
        """
        batch, heads = hidden_states.shape[0], attn.heads
        if attn.is_cross_attention:
            if encoder_hidden_states is None:
                raise ValueError("an attention layer to the text was given no text")
            query = run_linear(attn.to_q, hidden_states, before)
            q = query.view(batch, query.shape[1], heads, -1).transpose(1, 2)
            k, v = _parts(attn, encoder_hidden_states, None, ("to_k", "to_v"), "to_kv")
        else:
            if encoder_hidden_states is not None:
                raise ValueError("an attention layer over its own tokens was given others")
            q, k, v = _parts(attn, hidden_states, before, ("to_q", "to_k", "to_v"), "to_qkv")
        mask = None if attention_mask is None else _mask(attn, attention_mask, k.shape[2], batch)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return run_linear(attn.to_out[0], y.transpose(1, 2).reshape(batch, -1, heads * q.shape[-1]), None, residual)


def _parts(attn: Any, x: torch.Tensor, before: Before, names: tuple[str, ...], joined: str) -> Sequence[torch.Tensor]:
    """Return the projections of x [B, N, C] as [B, H, N, C / H] each, views of one product where they are joined."""
    if getattr(attn, "fused_projections", False):
        y = run_linear(getattr(attn, joined), x, before)
        return y.view(*y.shape[:2], len(names), attn.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
    found = (run_linear(getattr(attn, name), x, before) for name in names)
    return [y.view(*y.shape[:2], attn.heads, -1).transpose(1, 2) for y in found]


def _mask(attn: Any, mask: torch.Tensor, keys: int, batch: int) -> torch.Tensor:
    """Return a mask that fits scores [B, H, N, L]: one for all heads where it comes as one, else as diffusers makes it."""
    if mask.ndim == 3 and mask.shape[0] == batch and mask.shape[-1] == keys:
        return mask[:, None]
    prepared: torch.Tensor = attn.prepare_attention_mask(mask, keys, batch)
    return prepared.view(batch, attn.heads, -1, prepared.shape[-1])
