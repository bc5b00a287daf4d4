"""Putting a plan's layers into a denoiser, from an artifact alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from effbench.api import Artifact, Execution, Fact, PluginError
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.quantization.bitplan import BitPlan
from effbench.quantization.fused import fuse
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear, replace_layers
from effbench.quantization.products import Inputs, LinearState
from effbench.quantization.schemes import UNQUANTIZED, ActivationScheme
from effbench.quantization.stored import codes_of
from effbench_baselines.mixdq.structure import quantizable, restructure

if TYPE_CHECKING:
    from effbench.diffusion import DiffusionSystem


def apply_plan(system: DiffusionSystem, artifact: Artifact, execution: Execution) -> DiffusionSystem:
    """Return the system with its denoiser restructured and its layers replaced, in place."""
    config, tensors = artifact.config, artifact.tensors
    plan = BitPlan.model_validate(config["bit_plan"])
    start_tokens = tensors.get("start_tokens")
    known = None if start_tokens is None else torch.as_tensor(start_tokens)
    restructure(system, known, bool(config["split"]))
    layers = quantizable(system)
    plan.require(system.settings(), {name: layer.weight.numel() for name, layer in layers.items()})

    def make(name: str, layer: nn.Module) -> nn.Module | None:
        bits = plan.layers[name]
        if bits.weight == bits.activation == UNQUANTIZED:
            return None
        return _quantized(name, layer, bits.weight, bits.activation, config["ranges"], tensors, execution)

    replace_layers(system.denoiser, make, lambda name: name not in layers)
    if execution == "real":
        fuse(system.denoiser)
    return system


def _quantized(
    name: str,
    layer: Any,
    weight_bits: int,
    activation_bits: int,
    ranges: Mapping[str, Any],
    tensors: Mapping[str, Any],
    execution: Execution,
) -> nn.Module:
    weight: QuantizedWeight | torch.Tensor = layer.weight
    if weight_bits != UNQUANTIZED:
        weight = QuantizedWeight(*(part.to(layer.weight.device) for part in codes_of(name, tensors)))
    activation, static = ActivationScheme("none"), None
    if activation_bits != UNQUANTIZED:
        activation = ActivationScheme("static-tensor", activation_bits)
        if name not in ranges:
            raise PluginError(f"the artifact holds no range of the inputs of {name}")
        static = StaticRange(**ranges[name])
    if isinstance(layer, nn.Linear):
        return QuantizedLinear(
            [LinearState(weight, weight_bits, Inputs(static=static))], layer.bias, activation, execution
        )
    return QuantizedConv2d(layer, weight, weight_bits, activation, static, execution)


def activation_facts(denoiser: nn.Module) -> dict[str, Fact]:
    """Return the mean bits of quantized layers' inputs, by their parameters, and how many layers' inputs stay in float."""
    layers = [layer for layer in denoiser.modules() if isinstance(layer, QuantizedLinear | QuantizedConv2d)]
    bits = [layer.activation.bits if layer.activation.is_on else UNQUANTIZED for layer in layers]
    total = sum(layer.weights for layer in layers)
    mean = sum(layer.weights * width for layer, width in zip(layers, bits)) / total if total else float(UNQUANTIZED)
    return {"mean_activation_bits": Fact(mean, "bit"), "float_inputs": Fact(bits.count(UNQUANTIZED), "")}
