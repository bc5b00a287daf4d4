"""What a quantization method asks for, as one description; ``prepare`` and ``apply`` follow it.

Free of torch, so that a module that defines a Method may import it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from effbench.quantization.schemes import ActivationScheme, LayerExecution, WeightScheme, kernel_of

Convention = Literal["smoothquant", "vidit-q"]
"""Which way alpha of smoothing counts; ``smoothing.py`` has both formulas."""
Salience = Literal["largest", "weighted-by-timestep"]
"""What the activations of a channel count as: their largest magnitude, or PTQ4DiT's mean of those over timesteps."""


@dataclass(frozen=True)
class Smoothing:
    """Static scaling of channels."""

    alpha: float
    convention: Convention = "smoothquant"
    salience: Salience = "largest"


@dataclass(frozen=True)
class Recipe:
    """How all layers of a denoiser are quantized that its family does not keep in float.

    ``rotation_seed`` None means no rotation; ``ranges`` are those of timesteps, each with its own smoothing and static
    ranges; ``low_rank`` is the rank of a float branch; ``convolutions`` are quantized by a static range, or stay;
    ``samples`` are those of the calibration split that are looked at.
    """

    weight: WeightScheme = field(default_factory=WeightScheme)
    activation: ActivationScheme = field(default_factory=ActivationScheme)
    smoothing: Smoothing | None = None
    rotation_seed: int | None = None
    ranges: int = 1
    low_rank: int = 0
    convolutions: bool = False
    samples: int = 16


def execution_of(recipe: Recipe, bits: tuple[int, ...] = ()) -> LayerExecution:
    """Return how a recipe runs: real where kernels compute all of it, with linear weights of ``bits`` (else its own)."""
    kernels = [kernel_of(each, recipe.activation, recipe.weight.group) for each in bits or (recipe.weight.bits,)]
    is_static_w8a8 = recipe.activation.kind == "static-tensor" and recipe.activation.bits == recipe.weight.bits == 8
    return "simulated" if None in kernels or (recipe.convolutions and not is_static_w8a8) else "real"
