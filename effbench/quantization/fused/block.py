"""diffusers' transformer block with adaLN, its normalizations, gates and residuals computed within its linear layers.

Every block of DiT ("ada_norm_zero"), PixArt and Latte ("ada_norm_single") is::

    h = h + gate_1 * attention(modulated(norm(h)))
    h = h + attention to the text of h            (PixArt, and Latte's spatial blocks)
    h = h + gate_2 * mlp(modulated(norm(h)))
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock, FeedForward

from effbench.kernels.linear_w8a8.around import Before, Modulation, Residual
from effbench.quantization.fused.attention import JoinedAttention


class JoinedFeedForward(FeedForward):  # type: ignore[misc]  # diffusers has no types
    """Two layers with GELU (tanh) between them, which the second one computes."""

    def forward(
        self, hidden_states: torch.Tensor, *_: Any, before: Before = None, residual: Residual | None = None
    ) -> torch.Tensor:
        """Return the MLP of [..., C], added to ``residual``; ``before`` makes its inputs."""
        y: torch.Tensor = self.net[2](self.net[0].proj(hidden_states, before), "gelu", residual)
        return y


class JoinedBlock(BasicTransformerBlock):  # type: ignore[misc]
    """A block of which ``fusing.can_be_joined`` holds; another processor may take an attention layer over at any time."""

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        encoder_hidden_states: torch.Tensor | None = None,
        encoder_attention_mask: torch.Tensor | None = None,
        timestep: torch.Tensor | None = None,
        cross_attention_kwargs: dict[str, Any] | None = None,
        class_labels: torch.Tensor | None = None,
        added_cond_kwargs: dict[str, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the block's output [B, N, C]; arguments are diffusers'."""
        if cross_attention_kwargs:
            raise ValueError(f"a fused block takes no cross_attention_kwargs, got {', '.join(cross_attention_kwargs)}")
        h = hidden_states
        if self.norm_type == "ada_norm_single":
            assert timestep is not None
            parts = (self.scale_shift_table[None] + timestep.reshape(len(h), 6, -1)).unbind(1)
            epsilons = self.norm1.eps, self.norm2.eps
        else:
            norm = self.norm1
            embedded = norm.emb(timestep, class_labels, hidden_dtype=h.dtype)
            parts = norm.linear(norm.silu(embedded)).chunk(6, dim=1)
            epsilons = norm.norm.eps, self.norm3.eps
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = parts
        modulation = Modulation(shift, scale, epsilons[0])
        h = _attended(self.attn1, h, None, attention_mask, modulation, Residual(h, gate))
        if self.attn2 is not None:
            h = _attended(self.attn2, h, encoder_hidden_states, encoder_attention_mask, None, Residual(h))
        y: torch.Tensor = self.ff(
            h, before=Modulation(mlp_shift, mlp_scale, epsilons[1]), residual=Residual(h, mlp_gate)
        )
        return y


def _attended(
    attn: Any,
    h: torch.Tensor,
    text: torch.Tensor | None,
    mask: torch.Tensor | None,
    modulation: Modulation | None,
    residual: Residual,
) -> torch.Tensor:
    if isinstance(attn.processor, JoinedAttention):  # past Attention.forward, which inspects a signature at each call
        return attn.processor(attn, h, text, mask, None, modulation, residual)
    given = h if modulation is None else modulation(h)
    return residual(attn(given, encoder_hidden_states=text, attention_mask=mask))
