"""Quantization methods that ViDiT-Q is compared with, each as a recipe of the same library.

Ranges, rounding, kernels and layers are the same as ViDiT-Q's, so that a difference between two of them is the method's.
They follow the papers' ideas and are no copies of released code; each docstring says what is its own.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from effbench.api import StrictParams
from effbench.quantization.method import RecipeMethod
from effbench.quantization.recipe import Recipe, Smoothing
from effbench.quantization.schemes import ActivationScheme, Bits, Rounding, WeightScheme


class PeerParams(StrictParams):
    """What all of them ask for."""

    weight_bits: Annotated[Bits, Field(description="Bits of weights.")] = 8
    activation_bits: Annotated[Bits, Field(description="Bits of activations.")] = 8
    calibration_samples: Annotated[int, Field(ge=1, description="Calibration samples that are looked at.")] = 16
    simulate: Annotated[bool, Field(description="Imitate what kernels could compute.")] = False

    @model_validator(mode="after")
    def _makes_sense(self) -> PeerParams:
        self.recipe()
        return self

    def recipe(self) -> Recipe:
        """Return the recipe of these parameters; raise ``ValueError`` where they make none."""
        return Recipe(self.weights(), self.activations(), samples=self.calibration_samples)

    def weights(self) -> WeightScheme:
        """Return how weights are quantized."""
        return WeightScheme(self.weight_bits)

    def activations(self) -> ActivationScheme:
        """Return how activations are quantized."""
        return ActivationScheme("dynamic-token", self.activation_bits)


class Peer(RecipeMethod):
    """A method whose parameters are its recipe."""

    Params = PeerParams

    def recipe(self) -> Recipe:
        """Return what the parameters ask for."""
        found: Recipe = self.params.recipe()
        return found


class NaiveStatic(Peer):
    """Min-max ranges of whole tensors, found on calibration samples; what Q-Diffusion's kind of methods start from.

    (Li et al., arXiv 2302.04304, without its reconstruction of blocks.) Convolutions are quantized too.
    """

    name = "naive-static"

    class Params(PeerParams):
        """Parameters of the method."""

        convolutions: Annotated[bool, Field(description="Quantize convolutions too.")] = True

        def activations(self) -> ActivationScheme:
            """Return one range a tensor."""
            return ActivationScheme("static-tensor", self.activation_bits)

        def recipe(self) -> Recipe:
            """Return the recipe of these parameters."""
            return Recipe(
                self.weights(), self.activations(), convolutions=self.convolutions, samples=self.calibration_samples
            )


class SmoothQuant(Peer):
    """Static scaling of channels (Xiao et al., arXiv 2211.10438), per-token activations, per-channel weights."""

    name = "smoothquant"

    class Params(PeerParams):
        """Parameters of the method."""

        alpha: Annotated[float, Field(ge=0, le=1, description="How much of the imbalance moves to weights.")] = 0.5

        def recipe(self) -> Recipe:
            """Return the recipe of these parameters."""
            smoothing = Smoothing(self.alpha)
            return Recipe(self.weights(), self.activations(), smoothing, samples=self.calibration_samples)


class QuaRot(Peer):
    """A random Hadamard rotation before every layer (after Ashkboos et al., arXiv 2404.00456) and nothing else.

    The paper folds rotations into neighbouring weights of a language model, which adaLN of a DiT does not allow.
    """

    name = "quarot"

    class Params(PeerParams):
        """Parameters of the method."""

        rotation_seed: Annotated[int, Field(ge=0, description="Seed of the rotation's signs.")] = 0
        rounding: Annotated[Rounding, Field(description="Weights to the nearest code, or by GPTQ.")] = "nearest"

        def weights(self) -> WeightScheme:
            """Return how weights are quantized."""
            return WeightScheme(self.weight_bits, rounding=self.rounding)

        def recipe(self) -> Recipe:
            """Return the recipe of these parameters."""
            return Recipe(
                self.weights(), self.activations(), rotation_seed=self.rotation_seed, samples=self.calibration_samples
            )


class QDiT(Peer):
    """Groups of channels with scales of their own, in weights and in activations (after Chen et al., arXiv 2406.17343).

    The group size is fixed, where the paper searches one for each layer; scales along the sum make it simulated.
    """

    name = "q-dit"

    class Params(PeerParams):
        """Parameters of the method."""

        group: Annotated[int, Field(ge=1, description="Most channels that share a scale.")] = 128

        def weights(self) -> WeightScheme:
            """Return how weights are quantized: asymmetric below 8 bits."""
            return WeightScheme(self.weight_bits, self.group, symmetric=self.weight_bits >= 8)

        def activations(self) -> ActivationScheme:
            """Return how activations are quantized."""
            return ActivationScheme("dynamic-token", self.activation_bits, group=self.group)


class PTQ4DiT(Peer):
    """Salience balancing (after Wu et al., arXiv 2405.16005): scaling by the root of both saliences, timesteps weighted.

    A channel's salience in activations is a mean of its largest magnitudes over timesteps, weighted towards those where it
    ranks unlike the weight's. The balance is then SmoothQuant's with alpha 1/2. Written from what is generally known of the
    method, whose text was not at hand; its block-wise reconstruction is left out.
    """

    name = "ptq4dit"

    class Params(PeerParams):
        """Parameters of the method."""

        def activations(self) -> ActivationScheme:
            """Return one range a tensor."""
            return ActivationScheme("static-tensor", self.activation_bits)

        def recipe(self) -> Recipe:
            """Return the recipe of these parameters."""
            smoothing = Smoothing(0.5, salience="weighted-by-timestep")
            return Recipe(self.weights(), self.activations(), smoothing, samples=self.calibration_samples)


class SVDQuant(Peer):
    """The leading singular part of a smoothed weight stays in float, the rest is quantized (Li et al., arXiv 2411.05007).

    W4A4 in groups of 64, as published, is simulated. At W4A8 the integer product is real, and the branch beside it is one of
    floats that nothing fuses.
    """

    name = "svdquant"

    class Params(PeerParams):
        """Parameters of the method."""

        weight_bits: Annotated[Bits, Field(description="Bits of weights.")] = 4
        activation_bits: Annotated[Bits, Field(description="Bits of activations.")] = 4
        rank: Annotated[int, Field(ge=1, description="Rank of the branch that stays in float.")] = 32
        group: Annotated[int | None, Field(ge=1, description="Most channels that share a scale; null: all.")] = 64
        alpha: Annotated[float, Field(ge=0, le=1, description="Strength of smoothing before the split.")] = 0.5
        rounding: Annotated[Rounding, Field(description="Weights to the nearest code, or by GPTQ.")] = "nearest"

        def weights(self) -> WeightScheme:
            """Return how the rest of a weight is quantized."""
            return WeightScheme(self.weight_bits, self.group, rounding=self.rounding)

        def activations(self) -> ActivationScheme:
            """Return how activations are quantized: in groups too below 8 bits."""
            group = self.group if self.activation_bits < 8 else None
            return ActivationScheme("dynamic-token", self.activation_bits, group=group)

        def recipe(self) -> Recipe:
            """Return the recipe of these parameters."""
            return Recipe(
                self.weights(),
                self.activations(),
                Smoothing(self.alpha),
                low_rank=self.rank,
                samples=self.calibration_samples,
            )
