"""The shapes that are timed: all layers of the embedded models that may be quantized, and large ones."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import torch
from torch import nn

from effbench.api import Context, Sample
from effbench.diffusion import DiffusionSystem
from effbench.tasks.t2i.task import TextToImage
from effbench.tasks.t2v.task import TextToVideo

IMAGES: dict[str, dict[str, object]] = {
    "zoo:emoji-pixart": {"prompts": "emoji", "guidance": 3.0},
    "zoo:emoji-turbo": {"prompts": "emoji", "guidance": 1.0},
    "zoo:digits-pixart": {"guidance": 2.5},
    "zoo:digits-dit": {"guidance": 2.5},
}
"""Embedded model -> parameters of the task as its suites have them; emoji-turbo is made to run without guidance."""
VIDEOS: dict[str, dict[str, object]] = {"zoo:moving-emoji-latte": {"guidance": 3.0}}
LARGE = ((1024, 1152, 1152), (1024, 1152, 4608), (1024, 4608, 1152), (4096, 1152, 4608))
"""Tokens, inputs and outputs of the layers of PixArt-XL at 512 pixels, and of one at 1,024."""


class Linear(NamedTuple):
    """A linear layer on so many rows."""

    rows: int
    inputs: int
    outputs: int

    def __str__(self) -> str:
        return f"{self.rows:,} x {self.inputs:,} -> {self.outputs:,}"

    @property
    def products(self) -> int:
        """Return the multiply-accumulates of a call."""
        return self.rows * self.inputs * self.outputs


class Convolution(NamedTuple):
    """A square convolution of images [batch, inputs, side, side]."""

    batch: int
    inputs: int
    side: int
    outputs: int
    kernel: int
    stride: int

    def __str__(self) -> str:
        size = f"{self.batch} x {self.inputs} x {self.side} x {self.side} -> {self.outputs}"
        return f"{size}, {self.kernel} x {self.kernel}{f' / {self.stride}' if self.stride > 1 else ''}"

    @property
    def products(self) -> int:
        """Return the multiply-accumulates of a call."""
        pixels = self.batch * (self.side // self.stride) ** 2
        return pixels * self.inputs * self.outputs * self.kernel**2


def systems() -> list[tuple[str, DiffusionSystem, object]]:
    """Return (name, system, task) of every embedded model, one step long."""
    made = []
    for names, kind in ((IMAGES, TextToImage), (VIDEOS, TextToVideo)):
        for name, how in names.items():
            task = kind(kind.Params.model_validate({"system": name, "steps": 1, **how}))
            made.append((name, task.load(Context()), task))
    return made


def model_shapes() -> tuple[Counter[Linear], Counter[Convolution]]:
    """Return how many layers of each shape the embedded models have, together, as one guided call at batch 1 runs them."""
    linears: Counter[Linear] = Counter()
    convolutions: Counter[Convolution] = Counter()
    for _, system, task in systems():
        hooks = []

        def see(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            (x, *_) = inputs
            if isinstance(layer, nn.Linear):
                linears[Linear(x.numel() // layer.in_features, layer.in_features, layer.out_features)] += 1
            elif isinstance(layer, nn.Conv2d):
                form = (x.shape[0], x.shape[1], x.shape[2], layer.out_channels, layer.kernel_size[0], layer.stride[0])
                convolutions[Convolution(*form)] += 1

        for _, layer in (*system.linear_layers(), *system.convolutions()):
            hooks.append(layer.register_forward_pre_hook(see))
        samples: list[Sample] = list(task.samples("evaluation"))[:1]  # type: ignore[attr-defined]
        task.run(system, samples, 0)  # type: ignore[attr-defined]
        for hook in hooks:
            hook.remove()
    return linears, convolutions
