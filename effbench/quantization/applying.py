"""Putting quantized layers into a denoiser, as an artifact of ``preparing.prepare`` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from effbench.api import Artifact, PluginError, Unsupported
from effbench.diffusion import DiffusionSystem
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.quantization.fused import fuse
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear, replace_layers
from effbench.quantization.schemes import ActivationScheme, LayerExecution
from effbench.quantization.stored import codes_of, state_of
from effbench.quantization.timesteps import TimestepRanges


def apply(
    system: DiffusionSystem, artifact: Artifact, execution: LayerExecution, fused: bool = True
) -> DiffusionSystem:
    """Return the system with its denoiser's layers replaced, in place; it observes sampling where ranges are several.

    ``fused`` lets blocks whose layers are all real run in fewer passes (``effbench.quantization.fused``).

    Raises ``PluginError`` where the artifact has layers that the denoiser has not, ``Unsupported`` where no kernel takes one.
    """
    plan, tensors = artifact.config, artifact.tensors
    activation = ActivationScheme(**plan["recipe"]["activation"])
    ranges = TimestepRanges(int(plan["recipe"]["ranges"]))

    def make(name: str, layer: nn.Module) -> nn.Module | None:
        if name in plan["layers"] and isinstance(layer, nn.Linear):
            device = layer.weight.device
            states = [
                state_of(f"{name}/{index}", tensors, part, device) for index, part in enumerate(plan["layers"][name])
            ]
            if states[0].shape != (layer.out_features, layer.in_features):
                raise PluginError(
                    f"layer {name} of the plan is {states[0].shape}, the denoiser's {tuple(layer.weight.shape)}"
                )
            try:
                return QuantizedLinear(states, layer.bias, activation, execution, ranges)
            except ValueError as error:
                raise Unsupported(f"layer {name}: {error}") from None
        if name in plan["convolutions"] and isinstance(layer, nn.Conv2d):
            return _convolution(name, layer, plan["convolutions"][name], tensors, activation, execution)
        return None

    done = set(replace_layers(system.denoiser, make, system.is_kept_in_float))
    missing = sorted({*plan["layers"], *plan["convolutions"]} - done)
    if missing:
        raise PluginError(f"the plan has layers that the denoiser has not, {missing[0]} first of {len(missing)}")
    if fused and execution == "real":
        fuse(system.denoiser)
    return system.observed_by(ranges) if ranges.count > 1 else system


def _convolution(
    name: str,
    layer: nn.Conv2d,
    plan: Mapping[str, Any],
    tensors: Mapping[str, Any],
    activation: ActivationScheme,
    execution: LayerExecution,
) -> nn.Module:
    weight: QuantizedWeight | torch.Tensor = layer.weight
    if f"{name}/codes" in tensors:
        weight = QuantizedWeight(*(part.to(layer.weight.device) for part in codes_of(name, tensors)))
    static = StaticRange(**plan["static"]) if "static" in plan else None
    simple = layer.groups == 1 and layer.dilation == (1, 1)
    return QuantizedConv2d(layer, weight, int(plan["bits"]), activation, static, execution if simple else "simulated")
