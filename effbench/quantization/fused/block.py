"""diffusers' transformer block, its normalizations, gates and residuals computed within its linear layers.

Every block of DiT ("ada_norm_zero"), PixArt and Latte ("ada_norm_single") is::

    h = h + gate_1 * attention(modulated(norm(h)))
    h = h + attention to the text of h            (PixArt, and Latte's spatial blocks)
    h = h + gate_2 * mlp(modulated(norm(h)))

and one of a U-Net ("layer_norm") the same without gates, with normalizations that have weights, also before the text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import BasicTransformerBlock, FeedForward
from torch import nn

from effbench.kernels.linear_w8a8.around import Before, Modulation, Residual
from effbench.quantization.fused.attention import JoinedAttention
from effbench.quantization.layers import run_linear


class JoinedFeedForward(FeedForward):  # type: ignore[misc]  # diffusers has no types
    """Two layers with GELU (tanh) or GEGLU between them, which the second one computes."""

    def forward(
        self, hidden_states: torch.Tensor, *_: Any, before: Before = None, residual: Residual | None = None
    ) -> torch.Tensor:
        """Return the MLP of [..., C], added to ``residual``; ``before`` makes its inputs."""
        inner = run_linear(self.net[0].proj, hidden_states, before)
        return run_linear(self.net[2], inner, "geglu" if isinstance(self.net[0], GEGLU) else "gelu", residual)


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
        parts = _Surroundings.of(self, len(h), timestep, class_labels, h.dtype)
        h = _attended(self.attn1, h, None, attention_mask, parts.first, Residual(h, parts.gate))
        if self.attn2 is not None:
            h = _attended(self.attn2, h, encoder_hidden_states, encoder_attention_mask, parts.text, Residual(h))
        y: torch.Tensor = self.ff(h, before=parts.mlp, residual=Residual(h, parts.mlp_gate))
        return y


class _Surroundings(NamedTuple):
    """What comes before the two attention layers and the MLP of a block, and the gates of what they give."""

    first: Modulation
    text: Modulation | None
    mlp: Modulation
    gate: torch.Tensor | None = None
    mlp_gate: torch.Tensor | None = None

    @classmethod
    def of(
        cls, block: JoinedBlock, batch: int, timestep: Any, labels: torch.Tensor | None, dtype: torch.dtype
    ) -> _Surroundings:
        if block.norm_type == "layer_norm":
            norms = (block.norm1, block.norm2, block.norm3)
            first, text, mlp = (None if norm is None else _own_weights(norm, batch) for norm in norms)
            assert first is not None and mlp is not None
            return cls(first, text, mlp)
        if block.norm_type == "ada_norm_single":
            parts = (block.scale_shift_table[None] + timestep.reshape(batch, 6, -1)).unbind(1)
            epsilons = block.norm1.eps, block.norm2.eps
        else:
            norm = block.norm1
            parts = norm.linear(norm.silu(norm.emb(timestep, labels, hidden_dtype=dtype))).chunk(6, dim=1)
            epsilons = norm.norm.eps, block.norm3.eps
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = parts
        return cls(
            Modulation(shift, scale, epsilons[0]), None, Modulation(mlp_shift, mlp_scale, epsilons[1]), gate, mlp_gate
        )


def _own_weights(norm: nn.LayerNorm, batch: int) -> Modulation:
    """Return a normalization with weights as a modulation, the same for all of a batch."""
    shift, scale = (part.detach().expand(batch, -1) for part in (norm.bias, norm.weight - 1))
    return Modulation(shift, scale, norm.eps)


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
