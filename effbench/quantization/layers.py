"""Modules that take the place of ``nn.Linear`` and ``nn.Conv2d``, computed by integer kernels or imitated in floats.

Real and simulated execution of a scheme round to the same codes, so that they agree up to the rounding of floats.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.conv2d_w8a8 import PackedConvW8, conv2d_w8a8, pack_conv_w8a8
from effbench.kernels.isa import activation_bits
from effbench.kernels.linear_w8a8.around import Before, Residual, applied
from effbench.kernels.linear_w8a8.call import check_rows
from effbench.kernels.linear_w8a8.cpu import Layer
from effbench.quantization.products import (
    LinearState,
    RealProduct,
    imitated,
    imitated_input,
)
from effbench.quantization.ranges import at_most_bits
from effbench.quantization.schemes import ActivationScheme, LayerExecution
from effbench.quantization.timesteps import TimestepRanges


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
        self.activation, self.execution = activation, execution
        self.out_features, self.in_features = states[0].shape
        self.weights = self.out_features * self.in_features
        self.mean_bits = sum(state.bits for state in states) / len(states)
        self.scheme_bytes = sum(state.scheme_bytes() for state in states)
        self.inputs = tuple(state.inputs for state in states)
        self.bias = None
        if bias is not None:  # kernels take float32
            self.bias = nn.Parameter(
                bias.detach().float() if execution == "real" else bias.detach(), requires_grad=False
            )
        self._products: list[RealProduct] = []
        self._layers: list[Layer | None] = []
        self.bits = tuple(state.bits for state in states)
        for index, state in enumerate(states):
            if execution == "real":
                self._products.append(RealProduct.of(state, activation))
                self._layers.append(self._products[-1].layer(self.bias))
            else:
                self.register_buffer(f"weight_{index}", state.dequantized(), persistent=False)
            for name, held in _floats(state):
                self.register_buffer(f"{name}_{index}", held, persistent=False)

    def forward(self, x: torch.Tensor, before: Before = None, residual: Residual | None = None) -> torch.Tensor:
        """Return the product in the dtype of x, of what ``before`` makes of it, added to ``residual`` where there is one."""
        index = self.ranges.current if len(self.inputs) > 1 else 0
        if self.execution == "real":
            layer = self._layers[index]
            if layer is not None and x.dtype is torch.float32 and x.is_cpu:
                check_rows(layer.weight, x.shape, x.dtype, before, residual)
                return layer(x, before, residual)
            return self._products[index](x, self.bias, before, residual)
        weight = self.get_buffer(f"weight_{index}").to(x.dtype)
        y = imitated(applied(before, x), weight, self.bias, self.inputs[index], self.activation)
        return y if residual is None else residual(y)

    def states(self) -> list[LinearState]:
        """Return the states of a real layer, one for each range of timesteps, their weights as plain codes."""
        return [product.state(bits) for product, bits in zip(self._products, self.bits, strict=True)]

    def packed_bytes(self) -> int:
        """Return the bytes of weights that torch does not see: codes, scales and zero points of the real execution."""
        return sum(product.packed_bytes() for product in self._products)


def _floats(state: LinearState) -> list[tuple[str, torch.Tensor]]:
    """Return the tensors that a state holds beside its weight, by name; registered so that memory is counted."""
    transform, _, branch = state.inputs
    found = [] if transform.multiplier is None else [("multiplier", transform.multiplier)]
    return found + ([("down", branch.down), ("up", branch.up)] if branch is not None else [])


def run_linear(
    layer: nn.Module, x: torch.Tensor, before: Before = None, residual: Residual | None = None
) -> torch.Tensor:
    """Return the product of any linear layer, of what ``before`` makes of x, added to ``residual`` where there is one."""
    if isinstance(layer, QuantizedLinear):
        return layer(x, before, residual)  # type: ignore[no-any-return]
    y: torch.Tensor = layer(applied(before, x))
    return y if residual is None else residual(y)


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
        self.activation, self.static, self.execution = activation, static, execution
        self.weights, self.mean_bits = layer.weight.numel(), float(bits)
        self.scheme_bytes = LinearState(weight, bits).scheme_bytes()
        self.kernel_size, self.stride, self.padding = (
            (int(pair[0]), int(pair[1])) for pair in (layer.kernel_size, layer.stride, layer.padding)
        )
        self.dilation, self.groups = layer.dilation, layer.groups
        self.bias = None if layer.bias is None else nn.Parameter(layer.bias.detach(), requires_grad=False)
        self._packed: PackedConvW8 | None = None
        if execution == "real" and isinstance(weight, QuantizedWeight) and static is not None:
            self._packed = pack_conv_w8a8(weight, self.kernel_size)
            self.static = (
                static if self._packed.isa is None else at_most_bits(static, activation_bits(self._packed.isa))
            )
        else:
            plain = weight.dequantized() if isinstance(weight, QuantizedWeight) else weight.detach()
            self.register_buffer("weight", plain.reshape(layer.weight.shape), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution in the dtype of x."""
        if self._packed is not None and self.static is not None:
            return conv2d_w8a8(x, self._packed, self.bias, self.static, self.stride, self.padding).to(x.dtype)
        weight = self.get_buffer("weight").to(x.dtype)
        rounded = imitated_input(x, self.activation, self.static)
        return nn.functional.conv2d(rounded, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def packed_bytes(self) -> int:
        """Return the bytes of weights that torch does not see."""
        return 0 if self._packed is None else self._packed.packed_bytes()


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
