"""What a quantized denoiser says about itself: bits and bytes of its weights, and how much of it was quantized."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from effbench.api import Fact
from effbench.quantization.layers import QuantizedConv2d, QuantizedLinear
from effbench.quantization.schemes import UNQUANTIZED


def weight_facts(denoiser: nn.Module) -> Mapping[str, Fact]:
    """Return facts of a denoiser whose layers were replaced; bits are those of the scheme, simulated or real.

    ``mean_weight_bits`` is over the weights of quantized layers, by their number, and over ranges of timesteps;
    ``quantized_weight_mb`` holds their codes, scales and zero points as they would be packed, of all ranges;
    ``quantized_weight_share`` is their share of the parameters of linear layers and convolutions.
    """
    quantized = [layer for layer in denoiser.modules() if isinstance(layer, QuantizedLinear | QuantizedConv2d)]
    plain = [layer for layer in denoiser.modules() if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)]
    counts = [layer.weights for layer in quantized]
    total, left = sum(counts), sum(layer.weight.numel() for layer in plain)
    bits = sum(count * layer.mean_bits for count, layer in zip(counts, quantized))
    return {
        "mean_weight_bits": Fact(bits / total if total else float(UNQUANTIZED), "bit"),
        "quantized_weight_mb": Fact(sum(layer.scheme_bytes for layer in quantized) / 1e6, "MB"),
        "quantized_weight_share": Fact(total / max(1, total + left), "share", higher_is_better=True),
        "float_layers": Fact(len(plain), ""),
    }
