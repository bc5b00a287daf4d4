"""States of quantized layers as an artifact's tensors and plan, and back: weights are restored, never derived anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from effbench.api import PluginError
from effbench.kernels.codes import QuantizedWeight, StaticRange
from effbench.kernels.linear_w4a8.reference import pack, unpack
from effbench.quantization.products import Inputs, LinearState, LowRank
from effbench.quantization.transform import Transform


def codes_to_tensors(key: str, weight: QuantizedWeight, bits: int) -> dict[str, torch.Tensor]:
    """Return the tensors of a weight's codes under ``key``; codes of at most 4 bits lie two to a byte."""
    inputs = weight.codes.shape[1]
    codes = pack(weight.codes) if bits <= 4 and inputs % 2 == 0 else weight.codes
    return {f"{key}/codes": codes, f"{key}/scale": weight.scale, f"{key}/zero": weight.zero}


def codes_of(key: str, tensors: Mapping[str, Any]) -> QuantizedWeight:
    """Return the weight whose tensors stand under ``key``; raise ``PluginError`` where they are not there."""
    try:
        codes, scale, zero = (torch.as_tensor(tensors[f"{key}/{part}"]) for part in ("codes", "scale", "zero"))
    except KeyError as error:
        raise PluginError(f"the artifact holds no {error.args[0]}; it was prepared for another model") from None
    return QuantizedWeight(unpack(codes) if codes.dtype == torch.uint8 else codes, scale, zero)


def state_to_tensors(key: str, state: LinearState) -> dict[str, torch.Tensor]:
    """Return the tensors of a linear layer's state under ``key``; what is not tensors stands in ``state_to_plan``."""
    if isinstance(state.weight, QuantizedWeight):
        tensors = codes_to_tensors(key, state.weight, state.bits)
    else:
        tensors = {f"{key}/weight": state.weight}
    if state.inputs.transform.multiplier is not None:
        tensors[f"{key}/multiplier"] = state.inputs.transform.multiplier
    if state.inputs.branch is not None:
        tensors |= {f"{key}/down": state.inputs.branch.down, f"{key}/up": state.inputs.branch.up}
    return tensors


def state_to_plan(state: LinearState) -> dict[str, Any]:
    """Return the part of a state that a reader of the plan sees: bits, groups, transform and static range."""
    plan: dict[str, Any] = {"bits": state.bits, "rotated": state.inputs.transform.rotate}
    if isinstance(state.weight, QuantizedWeight):
        plan["groups"] = state.weight.scale.shape[1]
    if state.inputs.static is not None:
        plan["static"] = {
            "scale": state.inputs.static.scale,
            "zero": state.inputs.static.zero,
            "bits": state.inputs.static.bits,
        }
    return plan


def state_of(key: str, tensors: Mapping[str, Any], plan: Mapping[str, Any], device: Any = "cpu") -> LinearState:
    """Return the state whose tensors stand under ``key`` and whose plan is given, on a device."""
    weight: QuantizedWeight | torch.Tensor
    if f"{key}/weight" in tensors:
        weight = torch.as_tensor(tensors[f"{key}/weight"]).to(device)
    else:
        weight = QuantizedWeight(*(part.to(device) for part in codes_of(key, tensors)))
    multiplier, down, up = (
        torch.as_tensor(tensors[f"{key}/{part}"]).to(device) if f"{key}/{part}" in tensors else None
        for part in ("multiplier", "down", "up")
    )
    inputs = Inputs(
        Transform(multiplier, bool(plan["rotated"])),
        StaticRange(**plan["static"]) if "static" in plan else None,
        None if down is None or up is None else LowRank(down, up),
    )
    return LinearState(weight, int(plan["bits"]), inputs)
