"""The layer of both int8 controls: symmetric 8-bit weights, one scale a channel, and rows quantized as they come."""

from __future__ import annotations

from torch import nn

from effbench.quantization.layers import QuantizedLinear
from effbench.quantization.products import LinearState
from effbench.quantization.rounding import quantize_weight
from effbench.quantization.schemes import ActivationScheme, LayerExecution, WeightScheme


def int8_linear(layer: nn.Linear, execution: LayerExecution = "real", bits: int = 8) -> QuantizedLinear:
    """Return the W8A8 form of a layer x [..., I] -> [..., O]; ``bits`` are those of its inputs' codes.

    Raises ``ValueError`` where ``execution`` is real and no kernel multiplies such codes.
    """
    weight = quantize_weight(layer.weight, WeightScheme(8))
    return QuantizedLinear([LinearState(weight, 8)], layer.bias, ActivationScheme(bits=bits), execution)
