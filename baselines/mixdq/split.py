"""Two ranges where a U-Net joins its two halves: convolutions over [hidden, skip] become the sum of two.

What comes up and what comes over the skip connection have different ranges, and one static range over both wastes codes of
the narrower one (Q-Diffusion, arXiv 2302.04304, section 4.2; MixDQ's code does the same).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from effbench.diffusion import DiffusionSystem

SPLIT = ("conv1", "conv_shortcut")
"""Convolutions of a ResNet that see both parts: of the normed and of the plain input."""


class SplitConv2d(nn.Module):
    """A convolution of x [B, C, H, W] as that of its first ``boundary`` channels plus that of the others."""

    def __init__(self, layer: nn.Conv2d, boundary: int) -> None:
        super().__init__()
        self.boundary = boundary
        self.hidden: nn.Module = _part(layer, slice(0, boundary), layer.bias)
        self.skip: nn.Module = _part(layer, slice(boundary, layer.in_channels), None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of both convolutions."""
        sum_: torch.Tensor = self.hidden(x[:, : self.boundary]) + self.skip(x[:, self.boundary :])
        return sum_


def _part(layer: nn.Conv2d, channels: slice, bias: torch.Tensor | None) -> nn.Conv2d:
    weight = layer.weight.detach()[:, channels].clone()
    part: nn.Conv2d = nn.utils.skip_init(
        nn.Conv2d,
        weight.shape[1],
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        bias=bias is not None,
        padding_mode=layer.padding_mode,
        device=weight.device,
        dtype=weight.dtype,
    )
    part.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        part.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return part.train(layer.training)


def boundaries(denoiser: Any) -> dict[str, int]:
    """Return name -> hidden channels of the convolutions of a U-Net that see hidden and skip; none of other networks.

    An up block's first ResNet is given what the block before it ended with, the others what the ResNet before them did.
    """
    return dict(_boundaries(denoiser)) if hasattr(denoiser, "up_blocks") else {}


def _boundaries(denoiser: Any) -> Iterator[tuple[str, int]]:
    before = denoiser.down_blocks[-1] if denoiser.mid_block is None else denoiser.mid_block
    hidden = int(before.resnets[-1].conv2.out_channels)
    for i, block in enumerate(denoiser.up_blocks):
        for j, resnet in enumerate(block.resnets):
            for part in SPLIT:
                layer = getattr(resnet, part, None)
                if isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.in_channels > hidden:
                    yield f"up_blocks.{i}.resnets.{j}.{part}", hidden
            hidden = int(resnet.conv2.out_channels)


def split_convolutions(system: DiffusionSystem) -> list[str]:
    """Replace in place the convolutions over a joined input, and return their names."""
    names = []
    for name, boundary in boundaries(system.denoiser).items():
        if not system.is_kept_in_float(name):
            parent, _, child = name.rpartition(".")
            owner = system.denoiser.get_submodule(parent)
            setattr(owner, child, SplitConv2d(getattr(owner, child), boundary))
            names.append(name)
    return names
