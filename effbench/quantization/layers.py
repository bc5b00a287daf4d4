"""Modules that take the place of ``nn.Linear`` and ``nn.Conv2d``, computed by integer kernels or imitated in floats.

Real and simulated execution of a scheme round to the same codes, so that they agree up to the rounding of floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import nn

from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.quantization.products import (
    LinearState,
    computed,
    computed_convolution,
    imitated,
    imitated_convolution,
    pack,
    packed_bytes,
    scheme_bytes,
)
from effbench.quantization.schemes import ActivationScheme
from effbench.quantization.timesteps import TimestepRanges

LayerExecution = Literal["real", "simulated"]


class QuantizedLinear(nn.Module):
    """A linear layer x [..., I] -> [..., O] with one ``LinearState`` for all timesteps, or one for each range of them.

    Raises ``ValueError`` where ``execution`` is real and no kernel computes a state. With several ranges ``ranges`` must be
    an observer of the system (``DiffusionSystem.observed_by``).
    """

    def __init__(
        self,
        states: Sequence[LinearState],
        bias: torch.Tensor | None,
        activation: ActivationScheme,
        execution: LayerExecution = "simulated",
        ranges: TimestepRanges | None = None,
    ) -> None:
        super().__init__()
        self.ranges = TimestepRanges() if ranges is None else ranges
        if len(states) not in (1, self.ranges.count):
            raise ValueError(f"{len(states)} states for {self.ranges.count} ranges of timesteps; want one, or as many")
        self.states, self.activation, self.execution = tuple(states), activation, execution
        self.out_features, self.in_features = states[0].shape
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self._packed: list[object] = []
        for index, state in enumerate(states):
            if execution == "real":
                self._packed.append(pack(state, activation))
            else:
                self.register_buffer(f"weight_{index}", state.dequantized(), persistent=False)
            if state.transform.multiplier is not None:
                self.register_buffer(f"multiplier_{index}", state.transform.multiplier, persistent=False)
            if state.branch is not None:
                self.register_buffer(f"down_{index}", state.branch.down, persistent=False)
                self.register_buffer(f"up_{index}", state.branch.up, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the product in the dtype of x."""
        index = self.ranges.current if len(self.states) > 1 else 0
        state = self.states[index]
        if self.execution == "real":
            return computed(x, state, self._packed[index], self.bias, self.activation)
        weight = self.get_buffer(f"weight_{index}").to(x.dtype)
        return imitated(x, state, weight, self.bias, self.activation)

    def packed_bytes(self) -> int:
        """Return the bytes of weights that torch does not see: codes, scales and zero points of the real execution."""
        return sum(packed_bytes(weight) for weight in self._packed)

    @property
    def weights(self) -> int:
        """Return the number of weights of one state."""
        return self.in_features * self.out_features

    @property
    def mean_bits(self) -> float:
        """Return the mean of the states' bits."""
        return sum(state.bits for state in self.states) / len(self.states)

    def scheme_bytes(self) -> float:
        """Return the bytes of all states' weights as the scheme packs them, executed so or not."""
        return sum(scheme_bytes(state) for state in self.states)


class QuantizedConv2d(nn.Module):
    """A convolution x [B, I, H, W] -> [B, O, H', W'] whose activations have one range, found before or sample by sample.

    ``weight`` are the codes of the kernel [O, I * KH * KW], or a plain kernel where it is not quantized. Real execution is
    W8A8 with a static range; everything else, a range for each sample ("dynamic-token") among it, is imitated.
    """

    def __init__(
        self,
        layer: nn.Conv2d,
        weight: QuantizedWeight | torch.Tensor,
        bits: int,
        activation: ActivationScheme,
        static: StaticRange | None = None,
        execution: LayerExecution = "simulated",
    ) -> None:
        super().__init__()
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise ValueError(
                f"convolutions are padded by zeros, a number of them; got {layer.padding_mode} {layer.padding}"
            )
        if activation.kind == "static-tensor" and activation.is_on and static is None:
            raise ValueError("static-tensor activations need the range that calibration found")
        simple = layer.groups == 1 and layer.dilation == (1, 1) and isinstance(weight, QuantizedWeight)
        if execution == "real" and not (simple and bits == activation.bits == 8 and activation.kind == "static-tensor"):
            raise ValueError(
                "a real convolution is W8A8 with a static range, without groups or dilation; use execution='simulated'"
            )
        self.bits, self.activation, self.static, self.execution = bits, activation, static, execution
        self.kernel_size, self.stride, self.padding = (
            (int(pair[0]), int(pair[1])) for pair in (layer.kernel_size, layer.stride, layer.padding)
        )
        self.dilation, self.groups = layer.dilation, layer.groups
        self.shape = tuple(layer.weight.shape)
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
        self._scheme_bytes = scheme_bytes(LinearState(weight, bits))
        self._packed: object = weight if execution == "real" else None
        if execution != "real":
            plain = weight.dequantized() if isinstance(weight, QuantizedWeight) else weight.detach()
            self.register_buffer("weight", plain.reshape(self.shape), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution in the dtype of x."""
        if self.execution == "real":
            assert self.static is not None
            return computed_convolution(
                x, self._packed, self.kernel_size, self.bias, self.static, self.stride, self.padding
            )
        weight = self.get_buffer("weight").to(x.dtype)
        rounded = imitated_convolution(x, self.activation, self.static)
        return nn.functional.conv2d(rounded, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def packed_bytes(self) -> int:
        """Return the bytes of weights that torch does not see."""
        return 0 if self._packed is None else packed_bytes(self._packed)

    @property
    def weights(self) -> int:
        """Return the number of weights."""
        return math.prod(self.shape)

    @property
    def mean_bits(self) -> float:
        """Return the bits of the weight."""
        return self.bits

    def scheme_bytes(self) -> float:
        """Return the bytes of the weight as the scheme packs it, executed so or not."""
        return self._scheme_bytes


def replace_layers(
    root: nn.Module, make: Callable[[str, nn.Module], nn.Module | None], keep: Callable[[str], bool]
) -> list[str]:
    """Replace layers below ``root`` by ``make(qualified name, layer)``, and return the names of those that were.

    Asked are linear layers and convolutions of which ``keep(name)`` does not say that they stay; where ``make`` returns
    None the layer stays too. A module that stands at two places is replaced at both, by one new module.
    """
    made: dict[int, nn.Module | None] = {}
    replaced = []
    layers = [
        (name, layer)
        for name, layer in root.named_modules(remove_duplicate=False)
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d) and not keep(name)
    ]
    for name, layer in layers:
        if id(layer) not in made:
            made[id(layer)] = make(name, layer)
        new = made[id(layer)]
        if new is not None:
            parent, _, child = name.rpartition(".")
            setattr(root.get_submodule(parent), child, new)
            replaced.append(name)
    return replaced
