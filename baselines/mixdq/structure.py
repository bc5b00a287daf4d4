"""The two changes of a U-Net's structure that come before quantization; in float neither changes what it computes.

Projections of text leave the start token to a table, convolutions over a joined input become two. What is then left are
ordinary linear layers and convolutions under names of their own, which are calibrated, searched and replaced like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effbench.quantization.bos import keep_start_tokens
from effbench_baselines.mixdq.split import split_convolutions

if TYPE_CHECKING:
    from effbench.diffusion import DiffusionSystem


@dataclass(frozen=True)
class Structure:
    """What was changed: projections whose start token is kept, and convolutions that were split."""

    start_token: Sequence[str]
    split: Sequence[str]


def restructure(system: DiffusionSystem, start_tokens: torch.Tensor | None, split: bool) -> Structure:
    """Change the denoiser in place: keep the start tokens [V, C] if any are given, split convolutions if asked to."""
    kept = [] if start_tokens is None else keep_start_tokens(system, start_tokens)
    return Structure(kept, split_convolutions(system) if split else [])


@contextmanager
def restored(denoiser: nn.Module) -> Iterator[None]:
    """Give every module of a denoiser the children and hooks that it had before, whatever was replaced meanwhile."""
    children = [(module, dict(module._modules)) for module in denoiser.modules()]
    hooks: list[dict[Any, Any]] = [denoiser._forward_pre_hooks, denoiser._forward_pre_hooks_with_kwargs]
    hooks_before = [dict(present) for present in hooks]
    try:
        yield
    finally:
        for module, before in children:
            module._modules.clear()
            module._modules.update(before)
        for present, earlier in zip(hooks, hooks_before):
            present.clear()
            present.update(earlier)


def quantizable(system: DiffusionSystem) -> dict[str, Any]:
    """Return name -> layer of what is quantized: linear layers, and convolutions of two dimensions padded by zeros."""
    layers = dict(system.linear_layers())
    for name, layer in system.convolutions():
        if isinstance(layer, nn.Conv2d) and layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
            layers[name] = layer
    return {name: layers[name] for name, _ in system.denoiser.named_modules() if name in layers}
