"""What an attention layer is given, whatever its kind: tokens in, queries, keys and values, and the way back out.

Both forms of projections are known: three layers, or one fused one, as diffusers' fused processors expect it.
"""

from __future__ import annotations

from typing import Any

import torch

from effbench.api import PluginError


def projected(attn: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return q, k, v [R, N, H D] of x [R, N, C], of separate projections or of a fused one."""
    if getattr(attn, "fused_projections", False):
        return attn.to_qkv(x).chunk(3, dim=-1)  # type: ignore[no-any-return]
    return attn.to_q(x), attn.to_k(x), attn.to_v(x)


class SelfTokens:
    """A picture's tokens that attend to each other, as ``AttnProcessor2_0`` treats them."""

    dense = 0
    """How many tokens at the start are never behind a window."""

    def __init__(self, attn: Any, hidden_states: torch.Tensor, temb: torch.Tensor | None = None) -> None:
        self.attn, self.given = attn, hidden_states
        x = hidden_states if attn.spatial_norm is None else attn.spatial_norm(hidden_states, temb)
        if x.dim() == 4:
            x = x.flatten(2).transpose(1, 2)
        if attn.group_norm is not None:
            x = attn.group_norm(x.transpose(1, 2)).transpose(1, 2)
        self.x = x  # [R, N, C]

    def project(self, rows: slice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return q, k, v [r, H, N, D] of some rows, normed where the layer does that."""
        q, k, v = (y.unflatten(-1, (self.attn.heads, -1)).transpose(1, 2) for y in projected(self.attn, self.x[rows]))
        q = q if self.attn.norm_q is None else self.attn.norm_q(q)
        k = k if self.attn.norm_k is None else self.attn.norm_k(k)
        return q, k, v

    def join(self, out: torch.Tensor) -> torch.Tensor:
        """Return what heads computed [r, H, N, D] through the output projection [r, N, C]."""
        flat = out.transpose(1, 2).flatten(2)
        return self.attn.to_out[1](self.attn.to_out[0](flat))  # type: ignore[no-any-return]

    def give_back(self, y: torch.Tensor) -> Any:
        """Return y [R, N, C] in the form that the layer's block expects."""
        if self.given.dim() == 4:
            y = y.transpose(-1, -2).reshape(self.given.shape)
        if self.attn.residual_connection:
            y = y + self.given
        return y / self.attn.rescale_output_factor if self.attn.rescale_output_factor != 1 else y


class JointTokens(SelfTokens):
    """Text and video in one sequence, the text first, as ``CogVideoXAttnProcessor2_0`` treats them."""

    def __init__(self, attn: Any, hidden_states: torch.Tensor, text: torch.Tensor, rotary: Any) -> None:
        self.attn, self.rotary, self.dense = attn, rotary, text.shape[1]
        self.x = torch.cat([text, hidden_states], dim=1)

    def project(self, rows: slice) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return q, k, v [r, H, N, D] of some rows; positions turn the video's queries and keys."""
        q, k, v = super().project(rows)
        if self.rotary is None:
            return q, k, v
        from diffusers.models.embeddings import apply_rotary_emb

        q, k = (
            torch.cat([y[:, :, : self.dense], apply_rotary_emb(y[:, :, self.dense :], self.rotary)], dim=2)
            for y in (q, k)
        )
        return q, k, v

    def give_back(self, y: torch.Tensor) -> Any:
        """Return (video, text)."""
        return y[:, self.dense :], y[:, : self.dense]


def tokens_of(
    attn: Any, hidden_states: torch.Tensor, encoder_hidden_states: torch.Tensor | None, temb: Any, rotary: Any
) -> SelfTokens:
    """Return what a layer is given, by whether it is given text."""
    if encoder_hidden_states is None:
        if rotary is not None:
            raise PluginError(
                "a self-attention layer is given rotary positions, which are known of joint attention only"
            )
        return SelfTokens(attn, hidden_states, temb)
    return JointTokens(attn, hidden_states, encoder_hidden_states, rotary)
