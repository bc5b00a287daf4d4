"""ViDiT-Q: quantization of diffusion transformers, images and videos (Zhao et al., arXiv 2406.02540).

Activations are quantized at run time, token by token; weights per output channel. Channels that are large are balanced by
static scaling, what changes over timesteps by a seeded Hadamard rotation, and weights are rounded *once*, after both.
Weights may have several bit-widths under a budget of mean bits, chosen group by group (``mixed_precision.py``).

Real: W8A8 and W4A8, mixtures of the two among them, and W4A16. Simulated: everything else. Layers that make conditions once a
step, and the output layer, stay in float; so do convolutions, for which the paper has no scheme. The plan lists them all.

Unlike the released code: one rounding, signs that are stored, zero channels that touch no others, and a search for bits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from effbench.api import Artifact, Context, StrictParams
from effbench.diffusion import DiffusionSystem
from effbench.quantization.method import RecipeMethod
from effbench.quantization.recipe import Convention, Recipe, Smoothing
from effbench.quantization.schemes import ActivationScheme, Bits, Rounding, WeightScheme
from effbench_baselines.vidit_q.claims import CLAIMS


class MixedPrecision(StrictParams):
    """Bits of weights, layer by layer."""

    mean_bits: Annotated[float, Field(gt=0, le=16, description="Most mean bits of the weights.")] = 5.6
    choices: Annotated[tuple[Bits, ...], Field(min_length=1, description="Bits that a layer may have.")] = (4, 8)
    decoupled: Annotated[
        bool, Field(description="Rank cross-attention, the rest and temporal attention each by its own metric.")
    ] = True
    samples: Annotated[int, Field(ge=1, description="Calibration samples on which a layer's damage is measured.")] = 4
    plan: Annotated[str | None, Field(description="A bit plan's file, in place of the search.")] = None


class ViDiTQ(RecipeMethod):
    """Quantize the linear layers of a denoiser's blocks as ViDiT-Q does."""

    name = "vidit-q"
    claims = CLAIMS

    class Params(StrictParams):
        """Parameters of the method."""

        weight_bits: Annotated[Bits, Field(description="Bits of weights, where they are not mixed.")] = 8
        activation_bits: Annotated[Bits, Field(description="Bits of activations.")] = 8
        activations: Annotated[
            Literal["dynamic", "static"],
            Field(description="A range for each token as it comes, or one for the tensor."),
        ] = "dynamic"
        smoothing_alpha: Annotated[
            float | None, Field(ge=0, le=1, description="Strength of static scaling; null: none.")
        ] = 0.1
        smoothing_convention: Annotated[
            Convention,
            Field(description="`vidit-q` counts alpha as its released code does, 1 - SmoothQuant's."),
        ] = "smoothquant"
        rotation: Annotated[bool, Field(description="Rotate inputs by a random Hadamard matrix.")] = True
        rotation_seed: Annotated[int, Field(ge=0, description="Seed of the rotation's signs.")] = 0
        weight_group: Annotated[
            int | None, Field(ge=1, description="Most inputs of a weight that share a scale; null: all of a channel.")
        ] = None
        weight_symmetric: Annotated[bool, Field(description="Weight codes symmetric about 0.")] = True
        rounding: Annotated[Rounding, Field(description="Weights to the nearest code, or by GPTQ.")] = "nearest"
        timestep_ranges: Annotated[
            int, Field(ge=1, description="Ranges of steps with scales and weights of their own; costs memory.")
        ] = 1
        mixed: Annotated[
            MixedPrecision | None, Field(description="Several bit-widths of weights; null: `weight_bits` for all.")
        ] = None
        calibration_samples: Annotated[int, Field(ge=1, description="Calibration samples that are looked at.")] = 16
        simulate: Annotated[bool, Field(description="Imitate what kernels could compute.")] = False
        fused: Annotated[
            bool, Field(description="Let real blocks run in few passes; false: layers are swapped one by one.")
        ] = True

        @model_validator(mode="after")
        def _makes_sense(self) -> ViDiTQ.Params:
            recipe_of(self)
            for bits in self.mixed.choices if self.mixed else ():
                WeightScheme(bits, symmetric=self.weight_symmetric)
            return self

    def recipe(self) -> Recipe:
        """Return what the parameters ask for."""
        return recipe_of(self.params)

    def weight_bits(self) -> tuple[int, ...]:
        """Return the bit-widths that weights may have."""
        mixed = self.params.mixed
        return tuple(mixed.choices) if mixed else (self.params.weight_bits,)

    def prepare(self, system: DiffusionSystem, ctx: Context) -> Artifact:
        """Calibrate, choose bits where they are mixed, transform and round; the plan says which layer got what."""
        from effbench.quantization import preparing
        from effbench_baselines.vidit_q import mixed_precision

        recipe, mixed = self.recipe(), self.params.mixed
        if mixed is None:
            return preparing.prepare(system, ctx, recipe)
        if mixed.plan is not None:
            bits, told = mixed_precision.from_plan(system, Path(mixed.plan), mixed.choices)
        else:
            damage = mixed_precision.measure_damage(system, ctx, recipe, mixed.choices, mixed.samples)
            bits, told = mixed_precision.allocated(system, damage, mixed.mean_bits, mixed.decoupled)
        artifact = preparing.prepare(system, ctx, recipe, bits)
        return Artifact(artifact.tensors, {**artifact.config, "mixed": told})


def recipe_of(params: Any) -> Recipe:
    """Return the recipe of ViDiT-Q's parameters; raise ``ValueError`` where they make none."""
    alpha = params.smoothing_alpha
    return Recipe(
        weight=WeightScheme(params.weight_bits, params.weight_group, params.weight_symmetric, params.rounding),
        activation=ActivationScheme(
            "dynamic-token" if params.activations == "dynamic" else "static-tensor", params.activation_bits
        ),
        smoothing=None if alpha is None else Smoothing(alpha, params.smoothing_convention),
        rotation_seed=params.rotation_seed if params.rotation else None,
        ranges=params.timestep_ranges,
        samples=params.calibration_samples,
    )
