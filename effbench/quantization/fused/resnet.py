"""diffusers' ResNet of a U-Net with quantized convolutions, each normalization with the SiLU behind it in one pass."""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from effbench.kernels.group_norm_silu import group_norm_silu


class JoinedResnet(ResnetBlock2D):  # type: ignore[misc]  # diffusers has no types
    """A ResNet of which ``can_be_joined`` holds."""

    def forward(self, input_tensor: torch.Tensor, temb: torch.Tensor | None, *_: Any) -> torch.Tensor:
        """Return [B, O, H, W] of ``input_tensor`` [B, I, H, W] and a step's embedding [B, E]."""
        offset = None
        if self.time_emb_proj is not None:
            assert temb is not None
            offset = self.time_emb_proj(temb if self.skip_time_act else torch.nn.functional.silu(temb))
        y = self.conv1(_normed(self.norm1, input_tensor, None))
        y = self.conv2(_normed(self.norm2, y, offset))
        shortcut = input_tensor if self.conv_shortcut is None else self.conv_shortcut(input_tensor)
        out: torch.Tensor = shortcut + y
        return out if self.output_scale_factor == 1 else out / self.output_scale_factor


def _normed(norm: nn.GroupNorm, x: torch.Tensor, offset: torch.Tensor | None) -> torch.Tensor:
    return group_norm_silu(x, norm.weight, norm.bias, norm.num_groups, norm.eps, offset=offset)


def can_be_joined(block: Any) -> bool:
    """Return whether a ResNet has the form that ``JoinedResnet`` computes: no resampling, time added, SiLU."""
    if type(block) is not ResnetBlock2D or block.upsample is not None or block.downsample is not None:
        return False
    norms = (block.norm1, block.norm2)
    is_plain = all(type(norm) is nn.GroupNorm and norm.weight is not None for norm in norms)
    return is_plain and block.time_embedding_norm == "default" and type(block.nonlinearity) is nn.SiLU
